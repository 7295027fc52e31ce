// What belongs to the device rather than to the event: its name and settings, its camera, and leaving it.
function DoorDevice({ event, view, link, scan, gone }) {
  const { el } = view;
  const camera = DoorCamera(el("video"), scan);
  const unsent = (n) => `${n === 1 ? "1 entry has" : `${n} entries have`} not been sent. What is forgotten cannot be brought back. Forget that as well?`;

  function start() {
    for (const id of ["ask", "sound", "buzz"]) {
      el(id).checked = localStorage.getItem(`turnout-door-${id}`) === "yes";
      el(id).addEventListener("change", () => localStorage.setItem(`turnout-door-${id}`, el(id).checked ? "yes" : ""));
    }
    el("device").value = localStorage.getItem("turnout-door-device") || `Door ${DoorLink.id().slice(0, 4)}`;
    const rename = () => localStorage.setItem("turnout-door-device", name());
    el("device").addEventListener("change", rename);
    rename();
    el("camera").hidden = !(navigator.mediaDevices && navigator.mediaDevices.getUserMedia);
    el("camera").addEventListener("click", look);
    el("forget").addEventListener("click", forget);
    el("sign-out").addEventListener("submit", signOut);
  }

  // name is what the API takes: a line of at most 64 signs.
  function name() {
    return el("device").value.replace(/\p{C}/gu, "").trim().slice(0, 40);
  }

  async function look() {
    if (camera.on) camera.stop();
    else {
      view.put("camera-said", "");
      el("video").hidden = false;
      await camera.start().catch((problem) => {
        camera.stop();
        view.put("camera-said", problem.name === "NotAllowedError" ? "The browser does not allow this page the camera." : `There is no camera to use: ${problem.message}`);
      });
    }
    el("video").hidden = !camera.on;
    el("camera").setAttribute("aria-pressed", camera.on);
    el("camera").textContent = camera.on ? "Stop the camera" : "Scan with the camera";
  }

  async function forget() {
    const n = (await DoorStore.queue(event)).length;
    if (n > 0 && !confirm(unsent(n))) return;
    await DoorStore.forget(event, true);
    if ("caches" in window) await (await caches.open("turnout-door-pages")).delete(location.pathname);
    await gone();
  }

  // signOut forgets the lists of all events, and tells the server.
  async function signOut(e) {
    e.preventDefault();
    await link.merge().catch(() => {});
    const n = await DoorStore.waiting();
    if (n > 0 && !confirm(unsent(n))) return;
    await DoorStore.leave(true);
    if ("caches" in window) await caches.delete("turnout-door-pages");
    await gone();
    if (link.state !== "away") return el("sign-out").submit();
    view.outcome(["warn", "List forgotten", "Signing out needs the network: please sign out again when it is back."]);
  }

  return { start, name };
}
