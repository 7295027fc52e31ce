// Keeps the event's seats live, from the stream that everybody may read. tell gets them, and null while they are not known.
function DoorLive(event, tell) {
  const soonest = 1000, latest = 60000; // milliseconds to the next attempt
  let source, timer, wait = soonest;

  function open() {
    close();
    source = new EventSource(`/v1/events/${event}/availability/stream`);
    source.addEventListener("availability", (e) => {
      wait = soonest;
      tell(JSON.parse(e.data));
    });
    // A browser comes back by itself after a connection that broke, but never after an answer that is no stream.
    source.addEventListener("error", () => {
      tell(null);
      if (source.readyState !== EventSource.CLOSED) return;
      timer = setTimeout(open, wait * (0.5 + Math.random())); // not all devices of a hall at once
      wait = Math.min(2 * wait, latest);
    });
  }

  function close() {
    clearTimeout(timer);
    if (source) source.close();
  }

  addEventListener("pagehide", close);
  addEventListener("pageshow", (e) => { if (e.persisted) open(); });
  return { open };
}
