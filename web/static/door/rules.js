// The rules of the door's page as plain functions: no page, no network, no store (web/door_rules_test.go runs them).
// The API decides. These say what is likely while it cannot be asked, and what there is to tell once it has answered.
const Door = (() => {
  const MOST = 500; // entries of one merge
  const BYTES = 200000; // of one merge: the API takes 256 KiB
  const DAY = 24 * 60 * 60 * 1000;

  // Letters that Unicode does not take apart, and the marks that are left of those that it does: of Latin, Greek, Cyrillic,
  // Hebrew, Arabic and Japanese.
  const letters = { ß: "ss", æ: "ae", œ: "oe", ø: "o", đ: "d", ð: "d", ł: "l", þ: "th", ı: "i" };
  const marks = /[\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u3099\u309a\ufe20-\ufe2f]/g;
  // What stands between words: spaces, controls and punctuation. Spelt out, since not every engine knows \p{…}.
  const between = /[\u0000-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u060c\u061b\u061f\u1680\u2000-\u206f\u3000-\u303f\u30fb\ufe30-\ufe6f\ufeff]+/;

  // fold makes what is typed and what is written comparable: no case, no accents.
  function fold(text) {
    return text.normalize("NFKD").toLowerCase().replace(marks, "").replace(/[ßæœøđðłþı]/g, (c) => letters[c]);
  }

  // words are the parts that one may begin to type. Scripts that put no space between words have one per sign.
  function words(text) {
    return fold(text).replace(/[\u3041-\u30fa\u30fc-\u30ff\u3400-\u9fff]/g, " $& ").split(between).filter((w) => w !== "");
  }

  // keyOf is what search looks into.
  function keyOf(guest) {
    return ` ${words(`${guest.name} ${guest.email || ""}`).join(" ")}`;
  }

  // search finds the guests some of whose words begin with each word of the query; guests carry their key.
  function search(guests, query) {
    const wanted = words(query).map((w) => ` ${w}`);
    return guests.filter((g) => wanted.every((w) => g.key.includes(w)));
  }

  // byName sorts as people look for names.
  function byName(guests) {
    return guests.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.id < b.id ? -1 : 1));
  }

  // inside is how many of each party are in, as far as this device knows: what the server said, then the device's own
  // entries that it has not answered yet.
  function inside(guests, entries) {
    const at = new Map(guests.map((g) => [g.id, g]));
    const now = new Map();
    for (const e of entries) {
      const g = at.get(e.rsvp);
      const before = now.has(e.rsvp) ? now.get(e.rsvp) : g ? g.in : 0;
      const party = g ? g.party : e.party || e.people;
      now.set(e.rsvp, e.undo ? 0 : Math.max(before, Math.min(party, before + e.people)));
    }
    return (id) => (now.has(id) ? now.get(id) : at.has(id) ? at.get(id).in : 0);
  }

  // scanned says what letting somebody in comes to without the server. ticket is what the QR code says, with `genuine`
  // true, false, or null where the device cannot tell; people 0 is all who are still outside.
  function scanned({ event, rsvp, ticket, people, guest, isIn }) {
    const told = { rsvp_id: rsvp, people: 0, checked_in: isIn, party_size: guest ? guest.party : ticket ? ticket.party : 0 };
    if (ticket && ticket.genuine === false) return { ...told, outcome: "unknown", checked_in: 0, party_size: 0 };
    if (ticket && ticket.event !== event) return { ...told, outcome: "wrong_event" };
    // A genuine ticket of somebody who is not on the list was given after the list was loaded.
    if (!guest && !(ticket && ticket.genuine)) return { ...told, outcome: "unknown" };
    if (guest && guest.status === "cancelled") return { ...told, outcome: "cancelled" };
    if (guest && guest.status !== "confirmed") return { ...told, outcome: "not_confirmed" };
    const left = told.party_size - isIn;
    if (left <= 0) return { ...told, outcome: "already" };
    const come = Math.min(people || left, left);
    return { ...told, outcome: "admitted", people: come, checked_in: isIn + come, unlisted: !guest, unverified: Boolean(ticket) && ticket.genuine === null };
  }

  // after is the time of the next entry: later than the one before, also within a millisecond or when the clock went back.
  function after(now, last) {
    return Math.max(now, (last || 0) + 1);
  }

  // wire is an entry as the API takes it.
  function wire(e) {
    const who = e.ticket && !e.undo ? { ticket: e.ticket } : { rsvp_id: e.rsvp };
    return { id: e.id, ...who, ...(e.undo ? { undo: true } : { people: e.people }), device: e.device, at: new Date(e.at).toISOString() };
  }

  // batch takes what is sent next, in order. What was sent before under a key is sent again just so: an answer that was
  // lost on its way is then the same answer.
  function batch(entries, newKey) {
    if (entries.length === 0) return null;
    const key = entries[0].batch;
    if (key) return { key, entries: entries.filter((e) => e.batch === key) };
    const taken = [];
    let size = 0;
    for (const e of entries) {
      size += 4 * JSON.stringify(wire(e)).length; // no sign has more than four bytes
      if (e.batch || taken.length === MOST || (taken.length > 0 && size > 4 * BYTES)) break;
      taken.push(e);
    }
    return { key: newKey, entries: taken };
  }

  // refused tells what to do about a merge that the API does not take: which of its entries can never be merged, and
  // whether the others go again under another key.
  function refused(problem, entries) {
    const drop = [];
    for (const { pointer, detail } of problem.errors || []) {
      const at = /^\/entries\/(\d+)(\/|$)/.exec(pointer || "");
      const e = at && entries[Number(at[1])];
      if (e && !drop.some((d) => d.entry === e)) drop.push({ entry: e, detail });
    }
    if (problem.status !== 400) drop.length = 0;
    return { drop, again: drop.length > 0 || problem.status === 422 };
  }

  // conflict is what the staff must hear of an entry that the server has answered; null: it went as the device said. batch are
  // the entries that were sent with it: what the device itself took back later is no news.
  function conflict(entry, item, batch = []) {
    const note = (kind) => ({ kind, people: entry.people, let: item.people, checked_in: item.checked_in, party: item.party_size });
    if (entry.undo) return item.outcome === "undone" ? null : note(item.outcome === "unknown" ? "unknown" : "not_undone");
    if (item.conflict) return note(item.conflict);
    if (item.outcome === "undone" && batch.some((e) => e.undo && e.rsvp === entry.rsvp && e.at > entry.at)) return null;
    if (item.outcome === "already") return note("double");
    if (item.outcome !== "admitted") return note(item.outcome);
    return item.people < entry.people ? note("double") : null;
  }

  // told is a guest after the server's answer about them, at a version.
  function told(guest, item, version) {
    if (!guest || item.party_size === 0) return guest;
    const status = item.outcome === "cancelled" ? "cancelled" : item.outcome === "admitted" || item.outcome === "already" ? "confirmed" : guest.status;
    if (version < guest.version) return guest;
    return { ...guest, in: item.checked_in, party: item.party_size, status, version };
  }

  // renew takes a list that was loaded. Its read may be older than what the door has been told since: the later version stays.
  function renew(known, loaded) {
    const before = new Map(known.map((g) => [g.id, g]));
    const now = new Map();
    for (const g of loaded) {
      const b = before.get(g.id);
      now.set(g.id, b && b.version > g.version ? { ...b, conflicts: g.conflicts } : g);
    }
    return [...now.values()];
  }

  // counts are people in and people expected by the list, and by how many the device's own entries change that.
  function counts(guests, isIn) {
    let inNow = 0, told = 0, expected = 0;
    for (const g of guests) {
      inNow += isIn(g.id);
      told += g.in;
      if (g.status === "confirmed") expected += g.party;
    }
    return { in: inNow, change: inNow - told, expected };
  }

  // over tells whether a device has no more reason to know an event's guests.
  function over(list, now) {
    return now > Date.parse(list.ends_at) + DAY;
  }

  return { fold, words, keyOf, search, byName, inside, scanned, after, wire, batch, refused, conflict, told, renew, counts, over };
})();
