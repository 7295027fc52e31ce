package web

import (
	"fmt"
	"strings"
	"testing"
)

// An event's picture takes its room before it is there, so that nothing jumps;
// one without has no hole.
func TestAnEventShowsItsPicture(t *testing.T) {
	t.Parallel()
	const src = `src="/v1/events/` + eventID + `/cover"`
	pictured := event(t, map[string]any{"cover": map[string]any{"sha256": "ab", "content_type": "image/jpeg", "width": 1600, "height": 900}})
	for body, want := range map[string]bool{pictured: true, event(t, nil): false} {
		o := start(t, map[string]string{"GET /v1/events/" + eventID + "/cover": "bytes"}, map[string]string{
			"GET /v1/events/walk": body, "GET /v1/events": fmt.Sprintf(`{"items":[%s],"total":1}`, body)})
		for path, attributes := range map[string]string{"/e/walk": ` alt="" width="1600" height="900">`, "/": ` alt="" width="1600" height="900" loading="lazy">`} {
			if _, page := o.do("GET", path, ""); strings.Contains(page, src+attributes) != want || strings.Contains(page, "<img") != want {
				t.Errorf("%s: picture shown: want %t\n%s", path, want, page)
			}
		}
		if res, got := o.do("GET", "/v1/events/"+eventID+"/cover", ""); got != "bytes" {
			t.Errorf("the picture: %d %s", res.StatusCode, got)
		}
	}
}

func TestAnEventShowsItsPrice(t *testing.T) {
	t.Parallel()
	for shown, price := range map[string]map[string]any{
		"5–10 EUR, paid at the door":             {"min": 5, "max": 10, "currency": "EUR"},
		"0–7.50 CHF, paid at the door":           {"min": 0, "max": 7.5, "currency": "CHF"},
		"5 EUR, paid at the door":                {"min": 5, "max": 5, "currency": "EUR"},
		"0.255–1000000000 KWD, paid at the door": {"min": 0.255, "max": 1e9, "currency": "KWD"},
		"free": {"min": 0, "max": 0, "currency": "EUR"},
		"":     nil,
	} {
		change := map[string]any{}
		if price != nil {
			change["price_range"] = price
		}
		o := start(t, nil, map[string]string{"GET /v1/events/walk": event(t, change)})
		_, body := o.do("GET", "/e/walk", "")
		if strings.Contains(body, "<dt>Price</dt><dd>"+shown+"</dd>") != (shown != "") || strings.Contains(body, "<dt>Price</dt>") != (shown != "") {
			t.Errorf("%v: want %q\n%s", price, shown, body)
		}
	}
}
