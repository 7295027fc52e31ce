// What the door keeps on this device, in IndexedDB, apart by event: the guest list, the entries that the server has not
// answered yet, and the conflicts, those too that were marked as seen.
const DoorStore = (() => {
  const member = () => (/(?:^|; )turnout_member=([^;]*)/.exec(document.cookie) || [])[1] || ""; // who has signed in last
  const whole = (event) => IDBKeyRange.bound([event], [event, []]);
  let opened;

  function open() {
    opened ??= new Promise((done, fail) => {
      const request = indexedDB.open("turnout-door", 1);
      request.onupgradeneeded = () => {
        const db = request.result;
        db.createObjectStore("lists", { keyPath: "event" });
        db.createObjectStore("guests", { keyPath: ["event", "id"] });
        db.createObjectStore("conflicts", { keyPath: ["event", "id"] });
        db.createObjectStore("queue", { keyPath: "seq", autoIncrement: true }).createIndex("event", "event");
      };
      request.onsuccess = () => {
        request.result.onversionchange = () => request.result.close(); // a newer page in another tab
        done(request.result);
      };
      request.onerror = () => fail(request.error);
    });
    opened.catch(() => { opened = undefined; });
    return opened;
  }

  // run has f work in one transaction, and is done once it is on the disk.
  async function run(mode, names, f) {
    const db = await open();
    return new Promise((done, fail) => {
      const t = db.transaction(names, mode, { durability: "strict" });
      let result;
      t.oncomplete = () => done(result);
      t.onabort = t.onerror = () => fail(t.error || new Error("The device's store refuses."));
      f(Object.fromEntries(names.map((n) => [n, t.objectStore(n)])), (v) => { result = v; });
    });
  }

  const read = (names, f) => run("readonly", names, f);
  const write = (names, f) => run("readwrite", names, f);
  const get = (request, f) => { request.onsuccess = () => f(request.result); };

  const list = (event) => read(["lists", "guests"], (s, done) => {
    get(s.lists.get(event), (l) => get(s.guests.getAll(whole(event)), (guests) => done(l && { ...l, guests })));
  });

  // keepList replaces the list of an event.
  const keepList = (l, guests) => write(["lists", "guests"], (s) => {
    s.guests.delete(whole(l.event));
    for (const g of guests) s.guests.put({ ...g, event: l.event, key: undefined });
    s.lists.put(l);
  });

  // keepGuests writes what was told about some guests; a list that was forgotten meanwhile stays so.
  const keepGuests = (event, guests) => write(["lists", "guests"], (s) => {
    get(s.lists.count(event), (n) => n && guests.forEach((g) => s.guests.put({ ...g, event, key: undefined })));
  });

  const queue = (event) => read(["queue"], (s, done) => get(s.queue.index("event").getAll(event), done));
  const add = (entry) => write(["queue"], (s) => { s.queue.add(entry); });

  // take marks what is sent next with its key, so that whoever sends it again, this tab or another, sends the same.
  const take = (event, newKey) => write(["queue"], (s, done) => get(s.queue.index("event").getAll(event), (entries) => {
    const b = Door.batch(entries, newKey);
    if (b) b.entries.forEach((e) => s.queue.put(Object.assign(e, { batch: b.key })));
    done(b);
  }));

  // answered removes entries that the server has answered and keeps their conflicts, both or neither.
  const answered = (entries, conflicts) => write(["queue", "conflicts"], (s) => {
    entries.forEach((e) => s.queue.delete(e.seq));
    conflicts.forEach((c) => s.conflicts.put(c));
  });

  // loosen has entries go again under another key.
  const loosen = (entries) => write(["queue"], (s) => {
    entries.forEach((e) => get(s.queue.get(e.seq), (now) => now && s.queue.put({ ...now, batch: undefined })));
  });

  const conflicts = (event) => read(["conflicts"], (s, done) => get(s.conflicts.getAll(whole(event)), done));
  const seen = (event, ids) => write(["conflicts"], (s) => { ids.forEach((id) => s.conflicts.put({ event, id, seen: true })); });
  const waiting = () => read(["queue"], (s, done) => get(s.queue.count(), done));
  const lists = () => read(["lists"], (s, done) => get(s.lists.getAll(), done));

  // forget drops an event's list; what the server has not answered only with everything.
  const forget = (event, everything) => write(["lists", "guests", "conflicts", "queue"], (s) => {
    s.lists.delete(event);
    s.guests.delete(whole(event));
    if (!everything) return;
    s.conflicts.delete(whole(event));
    get(s.queue.index("event").getAllKeys(event), (keys) => keys.forEach((k) => s.queue.delete(k)));
  });

  // sweep forgets the lists of events that are over.
  async function sweep(now) {
    for (const l of await lists()) if (Door.over(l, now)) await forget(l.event, false);
  }

  // others forgets the lists of whoever had signed in before: a session may end without signing out, and the next to sign
  // in on this device need not know those guests.
  async function others() {
    const theirs = (await lists()).filter((l) => member() && l.member !== member());
    for (const l of theirs) {
      await forget(l.event, false);
      await write(["conflicts"], (s) => { s.conflicts.delete(whole(l.event)); });
    }
    if (theirs.length > 0 && "caches" in window) await caches.delete("turnout-door-pages");
  }

  // leave forgets every list: somebody has signed out.
  async function leave(everything) {
    for (const l of await lists()) await forget(l.event, everything);
    if (everything) await write(["queue", "conflicts"], (s) => { s.queue.clear(); s.conflicts.clear(); });
  }

  return { member, list, keepList, keepGuests, queue, add, take, answered, loosen, conflicts, seen, waiting, forget, sweep, others, leave };
})();
