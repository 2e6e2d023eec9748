/** `GET /ws`, subprotocol `tocsin.v1`: one JSON frame per text message. */
import { close, type ClientFrame, type ServerFrame } from "../protocol";
import type { Clock, Ending, Item, Open, Sink } from "./transport";

const SUBPROTOCOL = "tocsin.v1";

export function websocket(url: (path: string) => URL, clock: Clock, make = (address: URL) => new WebSocket(address, SUBPROTOCOL)): Open {
  return (cursor, sink) => {
    const address = url("ws");
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    if (cursor !== undefined) address.searchParams.set("cursor", cursor);
    const socket = make(address);
    let over = false;
    let stopBeating = () => {};

    const end = (ending: Ending) => {
      if (over) return;
      over = true;
      stopBeating();
      sink.ended(ending);
    };
    const send = (frame: ClientFrame) => {
      if (socket.readyState === 1) socket.send(JSON.stringify(frame));
    };
    // The browser answers pings by itself but tells nobody: this is how the server learns that the page lives.
    const beat = (everyMs: number) => {
      stopBeating = clock.after(everyMs, () => {
        send({ type: "heartbeat" });
        beat(everyMs);
      });
    };

    // Without a cursor in the address the server waits two seconds for this frame before it says hello.
    if (cursor === undefined) socket.onopen = () => send({ type: "resume" });
    socket.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (over) return;
      const frame = parse(data);
      if (frame?.type === "hello") {
        sink.opened({ cursor: frame.cursor, heartbeatMs: frame.heartbeat_s * 1000 });
        beat(frame.heartbeat_s * 1000);
      } else if (frame) {
        deliver(frame, sink);
      } else {
        // A frame of a newer server: a sign of life, nothing more.
        sink.alive();
      }
    };
    socket.onclose = ({ code }: CloseEvent) => end(endingOfCode(code));

    return {
      stored: (stored, owed, shown) => {
        if (owed || shown.length > 0) send({ type: "ack", cursor: stored, ...(shown.length > 0 ? { shown } : {}) });
      },
      close: () => {
        over = true;
        stopBeating();
        socket.close();
      },
    };
  };
}

function deliver(frame: Exclude<ServerFrame, { type: "hello" }>, sink: Sink): void {
  const item = itemOf(frame);
  if (item) sink.item(item);
  else sink.alive();
}

function itemOf(frame: Exclude<ServerFrame, { type: "hello" }>): Item | undefined {
  switch (frame.type) {
    case "message": {
      const { type: _, ...message } = frame;
      return { type: "message", message };
    }
    case "state": {
      const { type: _, ...change } = frame;
      return { type: "state", change };
    }
    case "position":
      return { type: "position", cursor: frame.cursor };
    case "reset": {
      const { type: _, ...reset } = frame;
      return { type: "reset", reset };
    }
    default:
      return undefined;
  }
}

function parse(data: unknown): ServerFrame | undefined {
  if (typeof data !== "string") return undefined;
  try {
    const frame: unknown = JSON.parse(data);
    return typeof frame === "object" && frame !== null && "type" in frame ? (frame as ServerFrame) : undefined;
  } catch {
    return undefined;
  }
}

export function endingOfCode(code: number): Ending {
  switch (code) {
    case close.unauthorised:
      return { kind: "refused", why: "unauthorised" };
    case close.replaced:
      return { kind: "refused", why: "replaced" };
    case close.goingAway:
    case close.busy:
      return { kind: "busy" };
    default:
      // Codes that a newer server may add: from `doNotReconnect` on, the rule is in the number.
      return code >= close.doNotReconnect && code < 5000 ? { kind: "refused", why: "bad_frame" } : { kind: "broken" };
  }
}
