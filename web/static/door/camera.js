// Reads QR codes with the camera: by the browser's own detector where it has one, else by jsQR, which is fetched then.
function DoorCamera(video, found) {
  const camera = { on: false, start, stop };
  const every = 120, forget = 4000; // milliseconds between looks; until the same code counts again
  let stream, timer, last = "", seen = 0;

  async function start() {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1280 } }, audio: false });
    video.srcObject = stream;
    await video.play();
    camera.on = true;
    const look = await looker();
    const again = async () => {
      if (!camera.on) return;
      const text = await look().catch(() => "");
      const now = Date.now();
      if (text && (text !== last || now - seen > forget)) found(text);
      if (text) [last, seen] = [text, now]; // a ticket that is held still is scanned once
      timer = setTimeout(again, every);
    };
    again();
  }

  function stop() {
    camera.on = false;
    clearTimeout(timer);
    if (stream) stream.getTracks().forEach((t) => t.stop());
    video.srcObject = null;
    last = "";
  }

  async function looker() {
    if ("BarcodeDetector" in window && (await BarcodeDetector.getSupportedFormats()).includes("qr_code")) {
      const detector = new BarcodeDetector({ formats: ["qr_code"] });
      return async () => ((await detector.detect(video))[0] || {}).rawValue;
    }
    await load(video.dataset.decoder);
    const canvas = document.createElement("canvas");
    const brush = canvas.getContext("2d", { willReadFrequently: true });
    return async () => {
      const scale = Math.min(1, 800 / Math.max(video.videoWidth, 1));
      canvas.width = Math.max(1, video.videoWidth * scale);
      canvas.height = Math.max(1, video.videoHeight * scale);
      brush.drawImage(video, 0, 0, canvas.width, canvas.height);
      const picture = brush.getImageData(0, 0, canvas.width, canvas.height);
      return (jsQR(picture.data, picture.width, picture.height, { inversionAttempts: "dontInvert" }) || {}).data;
    };
  }

  function load(src) {
    return window.jsQR ? Promise.resolve() : new Promise((done, fail) => {
      document.head.append(Object.assign(document.createElement("script"), { src, onload: done, onerror: () => fail(new Error("The decoder did not load.")) }));
    });
  }

  return camera;
}
