// Draws how far behind every consumer is, over the last ten minutes, from the
// same route that `turnout lag` uses.
const keep = 300, every = 2000;
const state = document.getElementById("state"), form = document.getElementById("key"), field = document.getElementById("token");
let timer, charts;

const colors = ["#1f5f4a", "#b3541e", "#2b4c9b", "#8c1d6b", "#6b6f00", "#0b7285", "#5f3dc4"];

// show hides what has nothing to tell: an empty frame looks like a fault.
function show(id, yes) {
  document.getElementById(id).closest("section").hidden = !yes;
}

function chart(id, names, unit) {
  const el = document.getElementById(id);
  el.replaceChildren();
  const series = [{}, ...names.map((n, i) => ({ label: n, stroke: colors[i % colors.length], width: 2, value: (_, v) => (v == null ? "–" : v + unit) }))];
  const data = [[], ...names.map(() => [])];
  const plot = new uPlot({ width: el.clientWidth || 800, height: 220, series, scales: { y: { range: (_, lo, hi) => [0, Math.max(1, hi * 1.1)] } } }, data, el);
  return {
    names,
    add(at, values) {
      data[0].push(at);
      names.forEach((n, i) => data[i + 1].push(values[n] ?? 0));
      if (data[0].length > keep) data.forEach((d) => d.shift());
      plot.setData(data);
    },
  };
}

async function get(path) {
  const res = await fetch(path, { headers: { Authorization: "Bearer " + field.value } });
  if (!res.ok) throw new Error((await res.json()).detail || res.statusText);
  return res.json();
}

async function tick() {
  try {
    const [lag, outbox] = await Promise.all([get("/v1/ops/lag"), get("/v1/ops/outbox")]);
    const behind = {}, seconds = {}, rows = {};
    for (const p of lag.items) {
      behind[p.group] = (behind[p.group] || 0) + p.messages_behind;
      seconds[p.group] = Math.max(seconds[p.group] || 0, p.seconds_behind);
      const row = (rows[p.group + " " + p.topic] ??= { group: p.group, topic: p.topic, messages: 0, seconds: 0 });
      row.messages += p.messages_behind;
      row.seconds = Math.max(row.seconds, p.seconds_behind);
    }
    const names = Object.keys(behind).sort();
    for (const id of ["lag", "seconds", "now"]) show(id, names.length > 0);
    show("outbox", outbox.items.length > 0);
    if (!charts || charts.lag.names.join() !== names.join()) {
      charts = { lag: chart("lag", names, ""), seconds: chart("seconds", names, " s"), outbox: chart("outbox", ["rows", "oldest, s"], "") };
    }
    const at = Date.now() / 1000;
    const sum = { rows: 0, "oldest, s": 0 };
    for (const o of outbox.items) { sum.rows += o.pending; sum["oldest, s"] = Math.max(sum["oldest, s"], o.oldest_age_seconds); }
    charts.lag.add(at, behind);
    charts.seconds.add(at, seconds);
    charts.outbox.add(at, sum);
    document.querySelector("#now tbody").replaceChildren(...Object.values(rows).map((r) => {
      const tr = document.createElement("tr");
      for (const v of [r.group, r.topic, r.messages, r.seconds.toFixed(1)]) tr.append(Object.assign(document.createElement("td"), { textContent: v }));
      return tr;
    }));
    const away = [...lag.away, ...outbox.away];
    state.textContent = away.length ? "Not answering: " + [...new Set(away)].join(", ") : "Watching, every 2 seconds.";
    state.className = away.length ? "problem" : "quiet";
  } catch (e) {
    state.textContent = e.message;
    state.className = "problem";
  }
}

form.addEventListener("submit", (e) => {
  e.preventDefault();
  sessionStorage.setItem("ops", field.value);
  clearInterval(timer);
  tick();
  timer = setInterval(tick, every);
});

// `make run` prints the page with its token behind #, which never reaches a server's log.
field.value = decodeURIComponent(location.hash.slice(1)) || sessionStorage.getItem("ops") || "";
if (location.hash) history.replaceState(null, "", location.pathname);
if (field.value) form.requestSubmit();
