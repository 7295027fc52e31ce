// The page of the door: what the staff do, with the network and without. docs/door.md says how it is meant.
(() => {
  const box = document.getElementById("door");
  const { event, title, ends } = box.dataset;
  const keys = box.dataset.keys.split(" ").filter(Boolean);
  const refresh = 60000; // milliseconds between two loads of a list that has changed
  const others = "BroadcastChannel" in window ? new BroadcastChannel(`turnout-door-${event}`) : { postMessage() {} }; // tabs of the same event

  let list = null; // {event, at, …}: when it was loaded; null without one
  let guests = new Map(), sorted = [], entries = [], conflicts = [], isIn = () => 0;
  let live = null; // the seats, while they are live
  let loading = false, left = false, keeps = true, read = 0, took = 0, lastAt = 0, line = Promise.resolve();
  const busy = new Set(), tickets = new Map(); // tickets that were scanned, of parties that are asked how many came
  const view = DoorView({ letIn: (rsvp, people, force) => queueUp(() => letIn({ rsvp, ticket: tickets.get(rsvp), people, force })), undo: (rsvp) => queueUp(() => undo(rsvp)) });
  const { el } = view;
  const link = DoorLink(event, (what, more) => (what === "merged" ? merged(more) : reached()));
  const seats = DoorLive(event, (now) => {
    live = now;
    draw();
  });
  const device = DoorDevice({ event, view, link, scan: (text) => queueUp(() => scan(text)), gone });

  // queueUp has one thing done after the other: two scans of one ticket are two questions.
  function queueUp(f) {
    line = line.then(f).catch((problem) => view.outcome(["bad", "Not recorded", `This device could not keep it: ${problem.message}. Please try again.`]));
    return line;
  }

  async function start() {
    await DoorStore.sweep(Date.now()).catch(() => { keeps = false; });
    await DoorStore.others().catch(() => {});
    await recall();
    listen();
    if (entries.length > 0) await link.merge().catch(() => {});
    await load();
    seats.open();
    setInterval(tend, 15000);
    keep().catch(() => {});
  }

  // keep has the page itself open without a network the next time.
  async function keep() {
    if (!("serviceWorker" in navigator)) {
      keeps = false;
      return draw();
    }
    await navigator.serviceWorker.register("/door/sw.js");
    await navigator.serviceWorker.ready;
    navigator.storage?.persist?.();
    const page = await fetch(location.pathname);
    if (page.ok && !page.redirected) await (await caches.open("turnout-door-pages")).put(location.pathname, page);
  }

  // recall reads what is on this device; another tab may have written it.
  async function recall() {
    const kept = await DoorStore.list(event);
    list = kept ? { ...kept, guests: undefined } : null;
    hold(kept ? kept.guests : []);
    await requeue();
  }

  async function requeue() {
    [entries, conflicts] = await Promise.all([DoorStore.queue(event), DoorStore.conflicts(event)]);
    draw();
  }

  function hold(all) {
    guests = new Map(all.map((g) => [g.id, g]));
    sorted = Door.byName(all.map((g) => Object.assign(g, { key: g.key || Door.keyOf(g) })));
  }

  const over = () => Door.over({ ends_at: ends }, Date.now());

  async function load() {
    if (loading || left || over()) return;
    loading = true;
    const began = Date.now(), version = live ? live.version : 0, member = DoorStore.member();
    try {
      const { guests: all, problem } = await link.load((n, total) => view.put("list", `Loading: ${n} of ${total} …`));
      if (problem) return await refused(problem);
      list = { event, title, ends_at: ends, member, at: Date.now() };
      hold(Door.renew([...guests.values()], all));
      [read, took] = [version, Date.now() - began];
      await DoorStore.keepList(list, sorted).catch(() => { keeps = false; });
      others.postMessage("list");
    } catch { // the network is away: what is here stays
    } finally {
      loading = false;
      draw();
    }
  }

  // refused forgets the list of an event whose door is not, or no longer, this member's.
  async function refused(problem) {
    const forget = problem.status === 403 || problem.status === 404;
    if (forget || !list) view.outcome(["bad", "No guest list", problem.detail || problem.title]);
    if (!forget) return;
    await DoorStore.forget(event, false);
    if ("caches" in window) await (await caches.open("turnout-door-pages")).delete(location.pathname);
    await recall();
  }

  // tend has the list loaded again when it has changed, and forgotten when the event is long over or somebody else has
  // signed in, in another tab.
  async function tend() {
    if (list && DoorStore.member() && list.member !== DoorStore.member()) {
      await DoorStore.others().catch(() => {});
      await recall();
      return load();
    }
    if (list && over()) {
      await DoorStore.forget(event, false);
      return gone();
    }
    const age = list ? Date.now() - list.at : Infinity;
    if (link.state === "online" && !document.hidden && age > Math.max(refresh, 20 * took) && (!live || live.version > read)) load();
    draw(); // ages go on
  }

  function draw() {
    isIn = Door.inside(sorted, entries);
    const known = Door.counts(sorted, isIn);
    if (live) [known.in, known.expected] = [Math.max(0, live.checked_in + known.change), live.going];
    const away = link.state !== "online", query = el("query").value.trim();
    view.reach({ state: link.state, why: link.why, waiting: entries.length, list, signIn: `/o/sign-in?to=${encodeURIComponent(location.pathname)}`, skew: link.skew, keeps });
    view.counts({ live, known, waiting: entries.length });
    if (!DoorTicket.looks(query)) view.guests(Door.search(sorted, query), sorted.length, isIn, { away, busy, query });
    view.conflicts(allConflicts());
    if (!loading) view.put("list", list ? `${sorted.length} answers, loaded ${DoorWords.ago(Date.now() - list.at)}.` : over() ? "This event is over: its list is not kept any more." : "No guest list on this device.");
  }

  // allConflicts are this device's own and those that the list tells of, without those that were seen.
  function allConflicts() {
    const own = new Set(conflicts.map((c) => c.id));
    const listed = sorted.flatMap((g) => (g.conflicts || []).filter((s) => !own.has(s.id)).map((s) => ({ ...s, kind: s.conflict, name: g.name })));
    return [...conflicts.filter((c) => !c.seen), ...listed];
  }

  function reached() {
    draw();
    if (link.state !== "online") return;
    if (!live) seats.open();
    if (list && Date.now() - list.at > refresh) load();
  }

  // merged is told what the server has answered for entries of the queue.
  async function merged({ entries: answered, items, version }) {
    const news = answered.map((e) => items.has(e.id) && Door.told(guests.get(e.rsvp), items.get(e.id), version)).filter(Boolean);
    await learn(news);
    await requeue();
    if (entries.length === 0) {
      view.sent();
      load(); // what other doors did meanwhile, and the conflicts with them
    }
    others.postMessage("queue");
  }

  async function learn(news) {
    if (news.length === 0) return;
    news.forEach((g) => guests.set(g.id, g));
    hold([...guests.values()]);
    await DoorStore.keepGuests(event, news).catch(() => {});
    others.postMessage("list");
  }

  function entry(rsvp, more) {
    const g = guests.get(rsvp);
    return { id: DoorLink.id(), event, rsvp, device: device.name(), name: g ? g.name : "", party: g ? g.party : 0, ...more };
  }

  // scan reads a ticket from the camera, or from a scanner that types.
  async function scan(text) {
    const ticket = DoorTicket.read(text);
    if (!ticket) return view.outcome(["bad", "Not valid", "This is no ticket of Turnout. A scanner that types needs the keyboard layout of this device."]);
    ticket.genuine = await DoorTicket.genuine(ticket, keys);
    const g = guests.get(ticket.rsvp), outside = g ? g.party - isIn(g.id) : 0;
    if (el("ask").checked && g && g.status === "confirmed" && outside > 1 && ticket.event === event && ticket.genuine !== false) {
      tickets.set(g.id, ticket);
      find(g.name);
      return view.outcome(["", `How many of ${outside}?`, "Choose the number below, and let them in."], { name: g.name });
    }
    await letIn({ rsvp: ticket.rsvp, ticket, people: 0 });
  }

  // letIn asks the server, and where that cannot be, decides by the list and queues what was done.
  async function letIn({ rsvp, ticket, people, force }) {
    const e = entry(rsvp, { ticket: ticket && ticket.text, people, all: people === 0 });
    await meanwhile(rsvp, async () => {
      entries = await DoorStore.queue(event);
      const answer = force || entries.some((q) => q.rsvp === rsvp) ? null : await link.check(e);
      if (answer) return answered(rsvp, answer);
      isIn = Door.inside(sorted, entries);
      const guest = guests.get(rsvp);
      let told = Door.scanned({ event, rsvp, ticket, people, guest, isIn: isIn(rsvp) });
      if (force && guest && told.outcome !== "already") told = { ...told, outcome: "admitted", forced: true, people: people || guest.party, checked_in: people || guest.party };
      if (told.outcome === "admitted") await enqueue({ ...e, people: told.people, party: told.party_size });
      const name = told.outcome === "unknown" || told.outcome === "wrong_event" ? "" : e.name;
      view.outcome(DoorWords.outcome(told), { name, pending: told.outcome === "admitted", undo: told.outcome === "admitted" && rsvp });
    });
  }

  async function undo(rsvp) {
    const e = entry(rsvp, { undo: true, people: 0 });
    await meanwhile(rsvp, async () => {
      entries = await DoorStore.queue(event);
      const answer = entries.some((q) => q.rsvp === rsvp) ? null : await link.undo(e);
      if (answer) return answered(rsvp, answer);
      await enqueue(e);
      view.outcome(DoorWords.outcome({ outcome: "undone", checked_in: 0, party_size: e.party }), { name: e.name, pending: true });
    });
  }

  // answered shows what the server said.
  async function answered(rsvp, { data, problem }) {
    if (problem) {
      load();
      return view.outcome(["bad", "Not done", [problem.detail || problem.title, ...(problem.errors || []).map((f) => f.detail)].join(" ")], { name: (guests.get(rsvp) || {}).name });
    }
    const g = guests.get(data.rsvp_id);
    if (g) await learn([Door.told(g, data, data.version)]);
    else if (data.outcome === "admitted") load();
    const name = data.outcome === "wrong_event" || data.outcome === "unknown" ? "" : g && g.name;
    view.outcome(DoorWords.outcome(data), { name, undo: data.outcome === "admitted" && data.rsvp_id });
  }

  async function enqueue(e) {
    lastAt = Door.after(Date.now(), Math.max(lastAt, ...entries.map((q) => q.at)));
    await DoorStore.add({ ...e, at: lastAt });
    entries = await DoorStore.queue(event);
    others.postMessage("queue");
    if (link.state === "online") link.merge().catch(() => {});
  }

  async function meanwhile(rsvp, f) {
    busy.add(rsvp);
    draw();
    try {
      await f();
    } finally {
      busy.delete(rsvp);
      tickets.delete(rsvp);
      draw();
    }
  }

  // answers are those to the event's questions, as the API takes them.
  function answers(form) {
    const given = {};
    for (const [name, text] of new FormData(form)) {
      const question = name.startsWith("q_") && text.trim() !== "" && name.slice(2);
      if (!question) continue;
      if (form.querySelector(`[name="${name}"]`).type !== "checkbox") given[question] = { text };
      else (given[question] ||= { choices: [] }).choices.push(text);
    }
    return given;
  }

  async function walkIn(form) {
    const field = form.elements;
    const who = { name: field.name.value.trim(), email: field.email.value.trim(), party_size: Number(field.party_size.value), answers: answers(form) };
    form.dataset.key ||= DoorLink.id();
    let answer;
    try {
      answer = await link.walkIn(who, form.dataset.key);
    } catch {
      return view.outcome(["bad", "Not added", "The server cannot be reached. Nothing is lost: try again when the network is back."], { name: who.name });
    }
    const { data, problem } = answer;
    form.dataset.key = "";
    if (problem && problem.code === "already-answered") return view.outcome(["warn", "Answered already", "This address is on the list: look for it."], { name: who.name });
    if (problem) return view.outcome(["bad", "Not added", DoorWords.notAdded(problem)], { name: who.name });
    await learn([{ id: data.id, name: who.name, email: who.email, status: data.status, party: data.party_size, in: 0, version: data.version }]);
    form.reset();
    if (data.status === "confirmed") return letIn({ rsvp: data.id, people: 0 });
    view.outcome(["warn", "No seat", data.position ? `They are on the waitlist, in place ${data.position}.` : "They are on the list, without a seat."], { name: who.name });
  }

  // gone shows that the list was forgotten; it is not loaded again by itself.
  async function gone() {
    left = true;
    others.postMessage("gone");
    await recall();
  }

  function find(text) {
    el("query").value = text;
    draw();
  }

  // choose leads from a name that was typed to the one guest who is called so.
  function choose() {
    draw();
    const acts = el("guests").querySelectorAll("[data-act=in], [data-act=undo]:only-child");
    if (acts.length === 1) acts[0].focus();
  }

  function listen() {
    let soon;
    el("query").addEventListener("input", () => {
      clearTimeout(soon);
      soon = setTimeout(draw, 60);
    });
    el("find").addEventListener("submit", (e) => {
      e.preventDefault();
      const text = el("query").value.trim();
      if (!DoorTicket.looks(text)) return choose();
      find("");
      queueUp(() => scan(text));
    });
    // A scanner types wherever the focus is.
    document.addEventListener("keydown", (e) => {
      if (e.key.length === 1 && e.key !== " " && !e.ctrlKey && !e.metaKey && !e.altKey && !e.target.closest("input, select, textarea")) el("query").focus();
    });
    el("guests").addEventListener("click", (e) => { if (e.target.closest("[data-act=in]") && matchMedia("(pointer: fine)").matches) el("query").select(); });
    el("walk-in").addEventListener("submit", (e) => {
      e.preventDefault();
      queueUp(() => walkIn(e.target));
    });
    el("reload").addEventListener("click", () => {
      left = false;
      load();
    });
    el("seen").addEventListener("click", async () => {
      await DoorStore.seen(event, allConflicts().map((c) => c.id));
      requeue();
      others.postMessage("queue");
    });
    device.start();
    others.onmessage = (e) => {
      left ||= e.data === "gone";
      return e.data === "queue" ? requeue() : recall();
    };
  }

  start();
})();
