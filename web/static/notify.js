// "Notify me on this device": the page works without it, and shows it only
// where the browser can do it and this installation pushes.
const box = document.querySelector("[data-notify]");
if (box && "serviceWorker" in navigator && "PushManager" in window && "Notification" in window) start();

async function start() {
  const credential = { Authorization: `Guest ${box.dataset.notify}` };
  const [on, off, said] = ["on", "off", "said"].map((name) => box.querySelector(`[data-${name}]`));
  const key = await fetch("/v1/push-key").then((r) => (r.ok ? r.json() : null)).catch(() => null);
  if (!key) return;
  const worker = await navigator.serviceWorker.register("/sw.js");
  const kept = `turnout-device-${box.dataset.rsvp}`; // the id of this device, to switch it off

  const say = (text) => { said.textContent = text; };
  const draw = (active) => { on.hidden = active; off.hidden = !active; };
  draw(Boolean((await worker.pushManager.getSubscription()) && localStorage.getItem(kept)));
  box.hidden = false;

  on.addEventListener("click", () => attempt(async () => {
    if ((await Notification.requestPermission()) !== "granted") {
      return say("Your browser does not allow notifications of this site. You can change that in its settings.");
    }
    const subscription = await subscribe();
    const answer = await fetch("/v1/push-subscriptions", {
      method: "POST", headers: { ...credential, "Content-Type": "application/json" }, body: JSON.stringify(subscription),
    });
    if (!answer.ok) return say((await answer.json()).detail || "That did not work.");
    const { id } = await answer.json();
    localStorage.setItem(kept, id);
    await (await caches.open("turnout-push-pages")).put(`/push-page/${id}`, new Response(location.pathname));
    draw(true);
    say("You will be notified on this device.");
  }));

  off.addEventListener("click", () => attempt(async () => {
    const id = localStorage.getItem(kept);
    const answer = await fetch(`/v1/push-subscriptions/${id}`, { method: "DELETE", headers: credential });
    if (!answer.ok && answer.status !== 404) return say("That did not work. Please try again.");
    // The browser's subscription stays: other answers of this guest may use it.
    localStorage.removeItem(kept);
    await (await caches.open("turnout-push-pages")).delete(`/push-page/${id}`);
    draw(false);
    say("No more notifications on this device.");
  }));

  // A subscription that was made for another key is worth nothing.
  async function subscribe() {
    const options = { userVisibleOnly: true, applicationServerKey: bytes(key.public_key) };
    await navigator.serviceWorker.ready;
    try {
      return await worker.pushManager.subscribe(options);
    } catch (problem) {
      const old = await worker.pushManager.getSubscription();
      if (problem.name !== "InvalidStateError" || !old) throw problem;
      await old.unsubscribe();
      return worker.pushManager.subscribe(options);
    }
  }

  async function attempt(f) {
    on.disabled = off.disabled = true;
    say("One moment …");
    try {
      await f();
    } catch {
      say("This browser cannot be reached by notifications at the moment.");
    } finally {
      on.disabled = off.disabled = false;
    }
  }
}

function bytes(base64url) {
  const text = atob(base64url.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}
