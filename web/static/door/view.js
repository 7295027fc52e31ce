// Draws the door's page: what is given, and nothing that it has to find out.
function DoorView(act) {
  const el = (id) => document.getElementById(id);
  const make = (tag, props = {}, ...inside) => {
    const node = Object.assign(document.createElement(tag), props);
    node.append(...inside);
    return node;
  };
  const put = (id, text) => { if (el(id).textContent !== String(text)) el(id).textContent = text; };
  const most = 40; // rows
  const rows = new Map(); // guest id: {node, of}
  let order = "", shownConflicts = "[]";
  let horn;

  // reach says how it is with the network, and what that means.
  function reach({ state, why, waiting, list, signIn, skew, keeps }) {
    const box = el("reach");
    const sent = waiting ? ` ${waiting === 1 ? "1 entry is" : `${waiting} entries are`} to be sent.` : "";
    const by = list ? `Scans go on, by the list loaded ${DoorWords.ago(Date.now() - list.at)}.` : "There is no guest list on this device: only tickets can be checked.";
    const says = {
      online: waiting ? [`Online.${sent}`] : ["Online."],
      away: [`No network. ${by}${sent}`],
      "signed-out": [`Your session has ended. ${by}${sent} `, make("a", { href: signIn, textContent: "Sign in again" })],
      refused: [`The server refuses: ${why}${sent} Nothing is lost.`],
    }[state];
    if (Math.abs(skew) > 120000) says.push(` This device's clock is ${Math.round(Math.abs(skew) / 60000)} minutes ${skew > 0 ? "ahead" : "behind"}: please set it.`);
    if (!keeps) says.push(" Without HTTPS, or in this browser's private mode, this page does not open again without a network.");
    const text = says.map((s) => s.textContent || s).join("");
    if (box.textContent !== text) box.replaceChildren(...says);
    box.className = `reach ${state === "online" ? "good" : "warn"}`;
  }

  function counts({ live, known, waiting }) {
    put("in", known.in);
    put("expected", known.expected);
    put("waiting", waiting);
    put("seats", !live ? "not known without a network" : live.capacity == null ? `${live.going} taken, no limit` : `${live.going} of ${live.capacity} taken`);
  }

  // guests draws the rows that are new or have changed: who has the focus keeps it.
  function guests(found, total, isIn, { away, busy, query }) {
    const shown = found.slice(0, most);
    for (const g of shown) {
      const of = JSON.stringify([g.name, g.email, g.status, g.party, isIn(g.id), away, busy.has(g.id)]);
      const row = rows.get(g.id) || { node: make("li", { className: "guest" }) };
      if (row.of !== of) {
        const focus = row.node.contains(document.activeElement) && document.activeElement.dataset.act;
        row.node.replaceChildren(...guest(g, isIn(g.id), away, busy.has(g.id)));
        if (focus) (row.node.querySelector(`[data-act="${focus}"]`) || el("query")).focus();
      }
      rows.set(g.id, { node: row.node, of });
    }
    const now = shown.map((g) => g.id).join();
    if (now !== order) el("guests").replaceChildren(...shown.map((g) => rows.get(g.id).node));
    order = now;
    if (rows.size > 4 * most) for (const id of rows.keys()) if (!shown.some((g) => g.id === id)) rows.delete(id);
    const more = found.length > most ? `, the first ${most} are here: type more` : "";
    put("found", total === 0 ? "No answers yet." : query === "" ? `${total === 1 ? "1 answer" : `${total} answers`}${more}.`
      : found.length === 0 ? "Nobody with this name or address." : `${found.length} of ${total}${more}.`);
  }

  function guest(g, inNow, away, busy) {
    const left = g.party - inNow, seated = g.status === "confirmed";
    const who = make("div", { className: "who" }, make("b", { dir: "auto", textContent: g.name || "Somebody" }),
      make("span", { className: "quiet", dir: "auto", textContent: g.email || "" }),
      make("span", { className: seated ? "state" : "state unseated", textContent: `${DoorWords.state(g.status)} · ${g.party === 1 ? (inNow ? "in" : "not in") : `${inNow} of ${g.party} in`}` }));
    const acts = make("div", { className: "acts" });
    const named = (text) => `${text}: ${g.name || "somebody"}`;
    if (left > 0) {
      let number;
      if (left > 1) {
        number = make("select", { ariaLabel: named("How many") }, ...Array.from({ length: left }, (_, i) => make("option", { value: i + 1, textContent: i + 1 })));
        number.value = left;
        number.dataset.act = "number";
        acts.append(number);
      }
      const text = seated || !away ? "Let in" : "Let in all the same";
      const button = make("button", { type: "button", className: seated ? "main" : "", textContent: left > 1 && seated ? `${text} ${left}` : text, disabled: busy });
      button.dataset.act = "in";
      const call = () => { button.ariaLabel = named(button.textContent); };
      call();
      if (number && seated) number.addEventListener("change", () => {
        button.textContent = `${text} ${number.value}`;
        call();
      });
      button.addEventListener("click", () => act.letIn(g.id, number && Number(number.value) < left ? Number(number.value) : 0, !seated && away));
      acts.append(button);
    }
    if (inNow > 0) {
      const undo = make("button", { type: "button", textContent: "Undo", disabled: busy, ariaLabel: named("Undo"), title: `Take back all ${inNow} who are in` });
      undo.dataset.act = "undo";
      undo.addEventListener("click", () => act.undo(g.id));
      acts.append(undo);
    }
    return [who, acts];
  }

  // outcome is what everybody at the door must see, and may hear and feel.
  function outcome([tone, word, what], { name = "", pending = false, undo = "" } = {}) {
    const parts = [make("p", { className: "word", textContent: word })];
    if (name) parts.push(make("p", { className: "name", dir: "auto", textContent: name }));
    if (what) parts.push(make("p", { className: "what", textContent: what }));
    if (pending) {
      const note = make("p", { className: "what", textContent: "Kept on this device, to be sent." });
      note.dataset.pending = "";
      parts.push(note);
    }
    if (undo) {
      const button = make("button", { type: "button", textContent: "Undo" });
      button.addEventListener("click", () => act.undo(undo));
      parts.push(button);
    }
    const box = el("outcome");
    box.className = `outcome ${tone}`;
    box.replaceChildren(...parts);
    box.animate?.([{ opacity: 0.2 }, { opacity: 1 }], 150); // the same outcome twice is seen twice
    if (tone) hear(tone);
  }

  function hear(tone) {
    if (el("buzz").checked && navigator.vibrate) navigator.vibrate({ good: [80], warn: [80, 80, 80], bad: [300, 100, 300] }[tone] || [40]);
    if (!el("sound").checked || !window.AudioContext) return;
    horn ??= new AudioContext();
    horn.resume();
    ({ good: [880], warn: [660, 660], bad: [220, 196] }[tone] || []).forEach((hertz, i) => {
      const [pipe, valve] = [horn.createOscillator(), horn.createGain()];
      pipe.frequency.value = hertz;
      valve.gain.value = 0.2;
      pipe.connect(valve).connect(horn.destination);
      pipe.start(horn.currentTime + i * 0.2);
      pipe.stop(horn.currentTime + i * 0.2 + 0.15);
    });
  }

  // sent takes back that the last outcome is still to be sent.
  function sent() {
    const note = el("outcome").querySelector("[data-pending]");
    if (note) note.textContent = "Sent.";
  }

  function conflicts(all) {
    const now = JSON.stringify(all);
    if (now === shownConflicts) return;
    shownConflicts = now;
    el("conflicts").hidden = el("conflicted").hidden = all.length === 0;
    put("conflict-count", all.length);
    const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "short" });
    el("conflict-list").replaceChildren(...all.map((c) => make("li", {},
      make("b", { dir: "auto", textContent: c.name || "Somebody" }), ` ${DoorWords.conflict(c)} `,
      make("span", { className: "quiet", dir: "auto", textContent: `${c.device || "A device without a name"}, ${clock.format(new Date(c.at))}` }))));
  }

  return { el, put, reach, counts, guests, outcome, sent, conflicts };
}
