// The door's calls to the server, the merging of the queue, and how it is with the network. It knows no page: it tells
// `changed` what there is to show.
function DoorLink(event, changed) {
  const quick = 2000, patient = 20000; // milliseconds: for who stands at the door, and for what runs beside
  const soonest = 3000, latest = 30000; // between attempts while the network is away
  const link = { state: navigator.onLine === false ? "away" : "online", why: "", version: "", skew: 0, reached: () => link.state === "online" || link.state === "refused", check, undo, walkIn, load, merge };
  let timer, wait = soonest, merging;

  class Away extends Error {} // nobody answered, or nobody who could: it is not known whether it was done
  class Ended extends Away {} // the session

  function is(state, why = "") {
    if (link.state === state && link.why === why) return;
    link.state = state;
    link.why = why;
    changed("state");
    if (state === "online") wait = soonest;
  }

  // call gives the API's answer, its problem, or Away.
  async function call(method, path, { body, key, ms = patient } = {}) {
    const headers = { Accept: "application/json" };
    if (body) headers["Content-Type"] = "application/json";
    if (key) headers["Idempotency-Key"] = key;
    const stop = new AbortController();
    const bell = setTimeout(() => stop.abort(), ms);
    try {
      const send = () => fetch(`/door/${event}${path}`, { method, headers, body: body && JSON.stringify(body), signal: stop.signal, cache: "no-store" });
      let res = await send();
      if (res.status === 401) res = await send(); // the first may have found an access token that ended on its way
      const date = Date.parse(res.headers.get("Date") || "");
      if (date) link.skew = Date.now() - date;
      if (!(res.headers.get("Content-Type") || "").includes("json") || res.status >= 500 || res.status === 429) throw new Away(`${res.status}`);
      const data = await res.json();
      if (res.status === 401) throw new Ended("signed out");
      if (link.state !== "refused") is("online"); // what was refused is still here
      newer(res.headers.get("Turnout-Version"));
      return res.ok ? { data } : { problem: { ...data, status: res.status } };
    } catch (problem) {
      is(problem instanceof Ended ? "signed-out" : "away");
      again();
      throw problem instanceof Away ? problem : new Away(problem.message);
    } finally {
      clearTimeout(bell);
    }
  }

  // newer keeps the latest version that this device was told of: what is read next must not be older.
  function newer(version) {
    const of = (v) => Number(v.split("@")[1] || 0);
    if (version && of(version) > of(link.version)) link.version = version;
  }

  // again tries to reach the server until it answers.
  function again() {
    if (timer) return;
    timer = setTimeout(() => {
      timer = undefined;
      resume();
    }, wait * (0.75 + Math.random() / 2)); // not all devices of a hall at once
    wait = Math.min(2 * wait, latest);
  }

  // resume sends what waits; with nothing to send it asks whether somebody answers.
  function resume() {
    merge().then((sent) => sent === 0 && !link.reached() && counts()).catch(() => {}); // call has said so
  }

  function counts() {
    return call("GET", "/counts");
  }

  // check lets in over the network, at once or not at all: {data}, {problem}, or null where it has to be queued.
  async function check(entry) {
    const { ticket, rsvp, all, people, device, id } = entry;
    const who = ticket ? { ticket } : { rsvp_id: rsvp };
    return now("POST", "/check-ins", { body: { ...who, people: all ? 0 : people, device, id }, key: id, ms: quick });
  }

  async function undo(entry) {
    return now("DELETE", `/check-ins/${entry.rsvp}`, { body: { id: entry.id, device: entry.device }, key: entry.id, ms: quick });
  }

  async function now(method, path, options) {
    if (!link.reached()) return null;
    try {
      const answer = await call(method, path, options);
      // The same request is still under way somewhere: the queue repeats it harmlessly.
      return answer.problem && answer.problem.code === "idempotency-key-in-use" ? null : answer;
    } catch {
      return null;
    }
  }

  // walkIn adds a guest. There is no doing so without a network: only the server gives seats.
  async function walkIn(who, key) {
    return call("POST", "/rsvps", { body: who, key });
  }

  // load reads the whole list. It is all there, or a problem.
  async function load(progress) {
    const guests = [];
    for (let cursor = "", tries = 0; ; ) {
      const q = new URLSearchParams({ ...(cursor && { cursor }), ...(link.version && { v: link.version }) });
      const { data, problem } = await call("GET", `/guests?${q}`);
      if (problem) {
        if (problem.code !== "not-yet-visible" || ++tries > 5) return { problem };
        await new Promise((done) => setTimeout(done, 1000));
        continue;
      }
      guests.push(...data.items);
      progress(guests.length, data.total);
      if (!data.next_cursor) return { guests };
      cursor = data.next_cursor;
    }
  }

  // merge brings the queue to the server, a batch at a time and in order, until it is empty. Where the browser can, one
  // tab does it for all; where it cannot, two send the same batch under the same key, which is once.
  function merge() {
    merging ??= (navigator.locks ? navigator.locks.request(`turnout-door-${event}`, drain) : drain()).finally(() => { merging = undefined; });
    return merging;
  }

  async function drain() {
    for (let sent = 0; ; ) {
      const batch = await DoorStore.take(event, DoorLink.id());
      if (!batch) return sent;
      const { data, problem } = await call("POST", "/check-ins/batch", { body: { entries: batch.entries.map(Door.wire) }, key: batch.key });
      sent += batch.entries.length;
      if (data) await settle(batch.entries, data);
      else if (!(await mend(batch.entries, problem))) return sent;
    }
  }

  async function settle(entries, data) {
    const items = new Map(data.items.map((i) => [i.entry_id, i]));
    is("online");
    const conflicts = [];
    for (const e of entries) {
      const c = items.has(e.id) && Door.conflict(e, items.get(e.id), entries);
      if (c) conflicts.push(noted(e, c));
    }
    const known = entries.filter((e) => items.has(e.id));
    await DoorStore.answered(known, conflicts);
    if (known.length < entries.length) await DoorStore.loosen(entries.filter((e) => !items.has(e.id)));
    await changed("merged", { entries: known, items, version: data.version });
    if (known.length === 0) throw new Away("an answer for nothing that was sent");
  }

  // mend is true where the rest of the batch may go again.
  async function mend(entries, problem) {
    const { drop, again: more } = Door.refused(problem, entries);
    await DoorStore.answered(drop.map((d) => d.entry), drop.map((d) => noted(d.entry, { kind: "refused", detail: d.detail })));
    if (more) await DoorStore.loosen(entries);
    else if (problem.code === "idempotency-key-in-use") again();
    else {
      is("refused", problem.detail || problem.title);
      again();
    }
    await changed("merged", { entries: drop.map((d) => d.entry), items: new Map(), version: 0 });
    return more;
  }

  const noted = (e, c) => ({ event, id: e.id, rsvp: e.rsvp, name: e.name, at: e.at, device: e.device, undo: Boolean(e.undo), ...c });

  addEventListener("online", resume);
  addEventListener("offline", () => { is("away"); again(); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && !link.reached()) resume(); });
  return link;
}

// id names an entry: nobody else's may be the same.
DoorLink.id = () => {
  const raw = crypto.getRandomValues(new Uint8Array(16));
  return [...raw].map((b) => b.toString(16).padStart(2, "0")).join("");
};
