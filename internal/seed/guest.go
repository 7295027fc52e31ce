package seed

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
)

// Guest is somebody made up. The address lies in a domain that RFC 2606 keeps
// for examples, so no mail to it can reach anybody.
type Guest struct {
	Name  string
	Email string
}

// people is how many guests there are. A prime, so that any step walks through
// all of them before it meets the first again.
const people = 40_009

var givenNames = [...]string{
	"Ada", "Amara", "Anouk", "Aoife", "Arjun", "Astrid", "Ayşe", "Beatriz", "Bilal", "Björn", "Camille", "Carlos",
	"Chiara", "Chinedu", "Dagny", "Daniel", "Dilnoza", "Elif", "Emil", "Esther", "Farah", "Fumiko", "Gabriel", "Grace",
	"Hana", "Hugo", "Ingrid", "Isaac", "Jasper", "João", "Kamala", "Kwame", "Lautaro", "Leila", "Lucía", "Mahmoud",
	"Mei", "Mira", "Nadia", "Nils", "Noor", "Olena", "Oskar", "Paloma", "Petr", "Priya", "Rania", "Rosa",
	"Samir", "Sigríður", "Soo-ah", "Tariq", "Tomás", "Ulla", "Vera", "Wanjiru", "Xóchitl", "Yara", "Yusuf", "Zofia",
}

var familyNames = [...]string{
	"Abara", "Almeida", "Ashworth", "Bergström", "Bianchi", "Castellanos", "Czerny", "Delacroix", "Demir", "Ekwueme", "Eriksen",
	"Fairweather", "Fuentes", "Ghosh", "Haddad", "Halloran", "Hashimoto", "Iversen", "Jankovič", "Kariuki", "Kovács", "Lindqvist",
	"Lopes", "Mäkinen", "Marchetti", "Mbeki", "Nakagawa", "Novák", "O’Dowd", "Okafor", "Papadaki", "Quiroga", "Rahimi", "Rautio",
	"Sandoval", "Shevchenko", "Taniguchi", "Tremblay", "Underwood", "Vandenberg", "Whitlock", "Yılmaz", "Zając",
}

// guestAt gives the i-th guest of an event. The same event has the same guests
// each time, all different; one person comes to several events.
func guestAt(eventID string, i int) Guest {
	h := sum("guests", eventID)
	first := binary.BigEndian.Uint64(h[:8]) % people
	step := 1 + binary.BigEndian.Uint64(h[8:16])%(people-1)
	return person(int((first + uint64(i)*step) % people))
}

func person(k int) Guest {
	domain := "example.com"
	if k%3 == 0 {
		domain = "example.org"
	}
	return Guest{
		Name:  givenNames[k%len(givenNames)] + " " + familyNames[(k/len(givenNames))%len(familyNames)],
		Email: "guest" + strconv.Itoa(k) + "@" + domain,
	}
}

// member gives the guest who stands for a member of a trace.
func member(source, id string) Guest {
	h := sum("member", source, id)
	k := int(binary.BigEndian.Uint32(h[:4]) % people)
	g := person(k)
	// Names may meet, addresses must not: two members are two guests.
	g.Email = fmt.Sprintf("member-%s@example.net", hex.EncodeToString(h[4:14]))
	return g
}

// sum is one SHA-256 over parts whose borders count.
func sum(parts ...string) [sha256.Size]byte {
	h := sha256.New()
	for _, p := range parts {
		// hash.Hash never returns an error.
		_ = binary.Write(h, binary.BigEndian, uint32(len(p)))
		_, _ = h.Write([]byte(p))
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// key is the Idempotency-Key of a request: the same for the same step of the
// same row in every run, so a repeat is answered from memory, not done again.
func key(parts ...string) string {
	h := sum(parts...)
	return "seed-" + hex.EncodeToString(h[:16])
}
