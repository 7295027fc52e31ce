package query_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/turnout-events/turnout/internal/contract"
)

// What is written without spaces is found by any part of it that is two letters
// or longer, and by each letter; not by what only shares letters with it. The
// same in a guest list.
func TestChineseJapaneseKorean(t *testing.T) {
	t.Parallel()
	r := start(t)
	org, owner := newID(t), newID(t)
	r.organization(org, contract.Member{AccountID: owner, Role: contract.RoleOwner})
	titles := map[string]string{
		"zh": "北京开源技术大会", "ja": "東京タワーの夜景ﾂｱｰ", "ko": "서울에서 만나는 개발자 모임", "mix": "PyCon台灣2030", "kyo": "京都 東北",
	}
	var last contract.Event
	var v int64
	for _, name := range []string{"zh", "ja", "ko", "mix", "kyo"} {
		last = r.event(org, titles[name], func(e *contract.Event) { e.ExternalID, e.Description = name, "説明文 "+name })
		v = r.publish(last, contract.Counters{})
		ok[map[string]any](t, r.get("/v1/events?q=all", atLeast(last.ID, v)...)) // searches have it
	}
	for query, want := range map[string]string{
		"开源": "zh", "源技术": "zh", "北京开源技术大会": "zh", "技術": "", "北京大会": "", "北京 大会": "zh", "会": "zh", "大": "zh",
		"タワー": "ja", "ツアー": "ja", "夜景": "ja", "タワ": "ja", "京タ": "ja", "ダワー": "", "東京": "ja", "景": "ja",
		"서울": "ko", "개발": "ko", "발자": "ko", "모임 서울": "ko", "서자": "",
		"pycon": "mix", "台灣": "mix", "2030": "mix", "台灣2030": "mix",
		"京": "ja,kyo,zh", "東": "ja,kyo", "都東": "", "説明": "ja,ko,kyo,mix,zh", "明文": "ja,ko,kyo,mix,zh",
	} {
		for _, mode := range []string{"", "&prefix=true"} {
			got := ok[struct {
				Items []struct {
					ExternalID string `json:"external_id"`
				} `json:"items"`
				Fuzzy bool `json:"fuzzy"`
			}](t, r.get("/v1/events?q="+url.QueryEscape(query)+mode, atLeast(last.ID, v)...))
			var ids []string
			for _, item := range got.Items {
				ids = append(ids, item.ExternalID)
			}
			slices.Sort(ids)
			if s := strings.Join(ids, ","); s != want || got.Fuzzy {
				t.Errorf("%s%s finds %q (fuzzy %t), want %q", query, mode, s, got.Fuzzy, want)
			}
		}
	}
	suggested := r.get("/v1/suggest?q=" + url.QueryEscape("タワ"))
	if items := ok[map[string][]map[string]any](t, suggested)["items"]; len(items) != 1 {
		t.Errorf("suggested: %s", suggested.body)
	}
	v = r.answer(contract.RSVPConfirmedV1, contract.RSVP{ID: newID(t), Response: contract.Going, EventID: last.ID, OrganizationID: org,
		Status: contract.StatusConfirmed, PartySize: 1}, contract.Personal{Name: "山田花子", Email: "hanako@example.org"}, contract.Counters{Going: 1})
	for query, want := range map[string]float64{"花子": 1, "山田": 1, "田花": 1, "山子": 0, "子": 1, "hana": 1} {
		list := ok[map[string]any](t, r.get("/v1/events/"+last.ID+"/guests?q="+url.QueryEscape(query),
			append(atLeast(last.ID, v), "Authorization", "Bearer account:"+owner)...))
		if list["total"] != want {
			t.Errorf("guests %s: %v, want %v", query, list["total"], want)
		}
	}
}
