package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

type membersPage struct {
	Title   string
	Org     organizationView
	Members []memberView // for owners
	Done    string       // what the last form did
	Key     string
	Form    url.Values // of the form that was refused
	Refused string     // which one that was
	Problem *problem
}

// memberView is a member by name; both are empty once the account was erased.
type memberView struct {
	AccountID string `json:"account_id"`
	Role      string `json:"role"`
	Name      string `json:"name"`
	Email     string `json:"email"`
}

// members is who belongs to an organization, and what it is called.
func (p *pages) members(c *gin.Context) {
	page, ok := p.loadMembers(c)
	if ok {
		p.show(c, http.StatusOK, "o_members", page)
	}
}

func (p *pages) loadMembers(c *gin.Context) (membersPage, bool) {
	o, err := p.membership(c, c.Param("org"), c.Query("v"))
	if err != nil {
		p.memberSorry(c, err)
		return membersPage{}, false
	}
	page := membersPage{Title: "Members · " + o.Name, Org: o, Done: doneBy(c), Key: keyOf(c), Form: url.Values{}}
	if !o.Owns() {
		return page, true
	}
	if page.Members, err = p.people(c, o.ID); err != nil {
		p.memberSorry(c, err)
		return page, false
	}
	return page, true
}

// people are an organization's members by name, for its owners. Names of accounts are in no read store: command tells
// them, as of now.
func (p *pages) people(c *gin.Context, org string) ([]memberView, error) {
	var list struct {
		Items []memberView `json:"items"`
	}
	_, err := p.api.do(c.Request.Context(), http.MethodGet, p.api.command+"/v1/organizations/"+org+"/people", nil, &list, by(c))
	return list.Items, err
}

// changeMembers takes the page's forms.
func (p *pages) changeMembers(c *gin.Context) {
	_ = c.Request.ParseForm() // what cannot be read has no action
	form := c.Request.PostForm
	if form.Get("action") == "remove" && !sure(form) {
		p.askToRemove(c, form, nil)
		return
	}
	leads, err := p.actOnMembers(c, form)
	switch {
	case err == nil:
		c.Redirect(http.StatusSeeOther, leads)
	case sure(form):
		p.askToRemove(c, form, asProblem(err))
	default:
		page, ok := p.loadMembers(c)
		if !ok {
			return
		}
		page.Problem, page.Form, page.Refused = asProblem(err), form, form.Get("action")
		if page.Problem.Code == "account-not-found" && page.Refused == "add" {
			page.Problem.Detail += ". Ask them to sign up first."
		}
		p.show(c, page.Problem.Status, "o_members", page)
	}
}

// actOnMembers asks the API for what a form says, and gives where it leads to.
func (p *pages) actOnMembers(c *gin.Context, form url.Values) (leads string, err error) {
	here := "/o/" + url.PathEscape(c.Param("org")) + "/members"
	path := "/v1/organizations/" + url.PathEscape(c.Param("org"))
	email := strings.TrimSpace(form.Get("email"))
	method := http.MethodPost
	var body any
	switch form.Get("action") {
	case "add":
		path, body = path+"/members", map[string]string{"email": email, "role": form.Get("role")}
	case "remove":
		method, path, body = http.MethodDelete, path+"/members", map[string]string{"email": email}
	case "change":
		method = http.MethodPatch
		body = map[string]any{"name": strings.TrimSpace(form.Get("name")), "tracking": form.Get("tracking") != "",
			"colors": colors{strings.TrimSpace(form.Get("primary")), strings.TrimSpace(form.Get("background"))}}
	default:
		return "", errNoAction
	}
	var now struct {
		Members []memberView `json:"members"`
	}
	version, err := p.api.write(c.Request.Context(), method, path, body, &now, by(c, "Idempotency-Key", formKey(form)))
	if err != nil {
		return "", err
	}
	if p.left(c, now.Members) {
		return withVersion("/o", nil, version, ""), nil
	}
	return withVersion(here, nil, version, form.Get("action")), nil
}

// left tells whether who has asked is no member any more: their page of members is gone.
func (p *pages) left(c *gin.Context, members []memberView) bool {
	me, err := p.whoAmI(c, "")
	return err == nil && !slices.ContainsFunc(members, func(m memberView) bool { return m.AccountID == me.ID })
}

// askToRemove asks once more before a membership ends.
func (p *pages) askToRemove(c *gin.Context, form url.Values, why *problem) {
	all, ok := p.loadMembers(c)
	if !ok {
		return
	}
	page := askPage{memberPage: memberPage{Title: "Remove · " + all.Org.Name, Org: all.Org, Key: all.Key, Problem: why},
		Question: "Remove " + strings.TrimSpace(form.Get("email")) + " from " + all.Org.Name + "?", Back: "/o/" + all.Org.ID + "/members",
		Words:  []string{"What this member did stays in the history of the events."},
		Button: "Remove"}
	p.ask(c, page, form, "action", "email")
}

// Roles are what a member can be, with what each may do.
func (membersPage) Roles() any {
	return []struct{ Value, Words string }{
		{"editor", "Editor: events, answers and mail"}, {"door", "Door: the guest list and the check-in"}, {"analyst", "Analyst: figures"},
		{"owner", "Owner: everything, members too"},
	}
}

// Typed is what stands in a field of a form: what was refused is kept.
func (m membersPage) Typed(form, name, otherwise string) string {
	if m.Refused == form {
		return m.Form.Get(name)
	}
	return otherwise
}

// Ticked is the same for a box.
func (m membersPage) Ticked() bool {
	if m.Refused == "change" {
		return m.Form.Get("tracking") != ""
	}
	return m.Org.Tracking
}
