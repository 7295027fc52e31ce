// Lists what was given up, and has it tried again: the page's `turnout dlq`.
// ops.js holds the token and asks the routes.
{
  const again = 10000;

  async function post(path) {
    const res = await fetch(path, { method: "POST", headers: { Authorization: "Bearer " + field.value } });
    if (!res.ok) throw new Error((await res.json()).detail || res.statusText);
  }

  function fill(id, items, cells, path) {
    show(id, items.length > 0);
    document.querySelector(`#${id} tbody`).replaceChildren(...items.map((item) => {
      const tr = document.createElement("tr");
      for (const v of cells(item)) tr.append(Object.assign(document.createElement("td"), { textContent: v }));
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Again" });
      button.setAttribute("aria-label", "Try " + item.id + " again");
      button.addEventListener("click", async () => {
        button.disabled = true;
        try {
          await post(path(item));
          await list();
        } catch (e) {
          state.textContent = e.message;
          state.className = "problem";
          button.disabled = false;
        }
      });
      const td = document.createElement("td");
      td.append(button);
      tr.append(td);
      return tr;
    }));
  }

  async function list() {
    if (!field.value) return;
    try {
      const [letters, notices] = await Promise.all([get("/v1/ops/dlq"), get("/v1/ops/notices")]);
      fill("letters", letters.items, (l) => [l.id, l.group, l.at, l.type, l.message, l.reason], (l) => `/v1/ops/dlq/${encodeURIComponent(l.id)}/redrive`);
      fill("notices", notices.items, (n) => [n.id, n.kind, n.due_at, `${n.cause.type}, version ${n.cause.version}`, n.attempts, n.outcome],
        (n) => `/v1/ops/notices/${n.id}/resend`);
    } catch {
      // ops.js says what is wrong
    }
  }

  form.addEventListener("submit", list);
  setInterval(list, again);
  list();
}
