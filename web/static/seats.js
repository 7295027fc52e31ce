// Keeps the numbers of an event page live. Without it the page shows what was
// true when it was loaded.
document.querySelectorAll("[data-seats]").forEach((box) => {
  const source = new EventSource(box.dataset.seats);
  const put = (name, value) => {
    const el = box.querySelector(`[data-${name}]`);
    if (el && value !== null && value !== undefined && el.textContent !== String(value)) el.textContent = value;
  };
  const show = (e) => {
    const seats = JSON.parse(e.data);
    for (const name of ["remaining", "capacity", "going", "held", "maybe", "waitlisted"]) put(name, seats[name]);
  };
  source.onmessage = show;
  source.addEventListener("availability", show);
  addEventListener("pagehide", () => source.close());
});
