/** Notices that the browser may be in another network: before anything has failed, if the browser tells. */

/** @typedef {EventTarget & {type?: string}} NetworkInformation  `type` is known on phones: `wifi`, `cellular` and so on */

/**
 * @param {{window: EventTarget, connection: NetworkInformation | undefined}} of
 * @param {() => void} moved
 * @param {AbortSignal} [signal]
 */
export function watchNetwork({ window, connection }, moved, signal) {
  window.addEventListener("online", () => moved(), { signal });
  let before = connection?.type;
  connection?.addEventListener(
    "change", // which is told of every new estimate of the same network's speed, too
    () => {
      const now = connection.type;
      if (now === before || now === "none") return;
      before = now;
      moved();
    },
    { signal },
  );
}
