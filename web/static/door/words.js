// What the door says, in words: of the API's outcomes, of states, of conflicts.
const DoorWords = (() => {
  const people = (n) => (n === 1 ? "1 person" : `${n} people`);
  const whole = (r) => `${r.checked_in} of ${r.party_size} ${r.party_size === 1 ? "person is" : "people are"} in.`;

  // outcome gives the tone (good, warn, bad), the big word and what it means.
  function outcome(r) {
    switch (r.outcome) {
      case "admitted":
        if (r.forced) return ["warn", `Let in ${r.people}`, "All the same: by the list there is no seat for them. The server decides when the network is back."];
        if (r.unlisted) return ["warn", `Let in ${r.people}`, "A genuine ticket of somebody who is not on this device's list, which may be older. The server decides when the network is back."];
        if (r.unverified) return ["warn", `Let in ${r.people}`, `${whole(r)} By the list: this device cannot check the ticket's signature.`];
        return ["good", r.people === 1 ? "Come in" : `Come in: ${people(r.people)}`, r.party_size > 1 ? whole(r) : ""];
      case "already": return ["bad", "Already in", `All of this party have come in. ${whole(r)}`];
      case "cancelled": return ["bad", "Cancelled", "This guest has cancelled."];
      case "not_confirmed": return ["bad", "No seat", "This guest has no confirmed seat."];
      case "wrong_event": return ["bad", "Another event", "This ticket is for another event."];
      case "undone": return ["warn", "Taken back", r.party_size ? whole(r) : "Nobody of this party is in."];
      default: return ["bad", "Not valid", "This is no ticket of this event: forged, withdrawn, or replaced by a newer one."];
    }
  }

  // notAdded is why somebody without an answer was refused.
  function notAdded({ title, detail, errors = [] }) {
    if (errors.some((f) => f.pointer.startsWith("/answers/"))) return "A question of the event wants an answer. If it is not asked here, load this page again.";
    const fields = { "/name": "Name", "/email": "E-mail", "/party_size": "People" };
    return errors.length ? errors.map((f) => `${fields[f.pointer] || ""} ${f.detail}`.trim()).join("; ") : detail || title;
  }

  const states = {
    confirmed: "Going", waitlisted: "On the waitlist", offered: "Has an offer", pending: "Pending", maybe: "Maybe",
    declined: "Not going", cancelled: "Cancelled",
  };

  // conflict says what happened, for who was at the door.
  function conflict(c) {
    switch (c.kind) {
      case "double":
        return c.party ? `Let in twice: this device let in ${people(c.people)}, but with the other doors' only ${c.let || 0} had room. ${c.checked_in} of ${c.party} are in.`
          : `Let in twice: ${people(c.people)} beyond the party.`;
      case "cancelled": return "Let in, but has cancelled. Nobody of the party counts as in.";
      case "not_confirmed": return "Let in, but had no confirmed seat then. Nobody counts as in by it.";
      case "unknown": return "Let in with a ticket that is not valid any more, or never was.";
      case "wrong_event": return "Let in with a ticket for another event.";
      case "undone": return "Let in here, and taken back at another door later.";
      case "not_undone": return "The taking back changed nothing.";
      default: return `The server does not take this entry: ${c.detail || c.kind}`;
    }
  }

  // ago is an age as people say it.
  function ago(ms) {
    const minutes = Math.floor(ms / 60000);
    if (minutes < 1) return "just now";
    if (minutes < 60) return minutes === 1 ? "1 minute ago" : `${minutes} minutes ago`;
    const hours = Math.floor(minutes / 60);
    return hours === 1 ? "1 hour ago" : hours < 48 ? `${hours} hours ago` : `${Math.floor(hours / 24)} days ago`;
  }

  return { people, outcome, notAdded, state: (s) => states[s] || s, conflict, ago };
})();
