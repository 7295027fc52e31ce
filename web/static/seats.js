// Keeps the numbers of an event page live. Without it the page shows what was
// true when it was loaded.
document.querySelectorAll("[data-seats]").forEach((box) => {
  const shortest = 1000, longest = 60000; // milliseconds to the next attempt
  let source, timer, wait = shortest;
  const put = (name, value) => {
    const el = box.querySelector(`[data-${name}]`);
    if (el && value !== null && value !== undefined && el.textContent !== String(value)) el.textContent = value;
  };
  const show = (e) => {
    const seats = JSON.parse(e.data);
    for (const name of ["remaining", "capacity", "going", "held", "maybe", "waitlisted"]) put(name, seats[name]);
  };
  // A browser comes back by itself after a connection that broke, but never
  // after an answer that is no stream, such as 503 while the role restarts. Its
  // new stream begins with the present state.
  const open = () => {
    source = new EventSource(box.dataset.seats);
    source.addEventListener("availability", show);
    source.addEventListener("open", () => { wait = shortest; });
    source.addEventListener("error", () => {
      if (source.readyState !== EventSource.CLOSED) return;
      timer = setTimeout(open, wait * (0.5 + Math.random())); // not all of a crowd at once
      wait = Math.min(2 * wait, longest);
    });
  };
  open();
  addEventListener("pagehide", () => { clearTimeout(timer); source.close(); });
  addEventListener("pageshow", (e) => { if (e.persisted) open(); }); // back from the browser's cache
});
