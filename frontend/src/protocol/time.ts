/** Time as an object: the browser's, or a manual one in tests. Milliseconds, monotonic. */
export interface Time {
  now(): number;
  /** Runs `action` once after `ms`; the answer cancels it. */
  after(ms: number, action: () => void): () => void;
}

export const browserTime: Time = {
  now: () => performance.now(),
  after: (ms, action) => {
    const timer = setTimeout(action, ms);
    return () => clearTimeout(timer);
  },
};

/**
 * The server's clock, estimated from its heartbeats. A heartbeat is late by its way through the network and never early,
 * so the one with the greatest (server − local) travelled fastest and is right. The window is bounded, so that a clock
 * which drifts or is stepped is followed within `window` heartbeats.
 */
export class ServerClock {
  private readonly offsets: number[] = [];
  private best: number;

  /** @param guess ms since 1970 at local time 0, used until the first heartbeat. */
  constructor(
    guess: number,
    private readonly window = 60,
  ) {
    this.best = guess;
  }

  heard(serverMs: number, localMs: number): void {
    if (!Number.isFinite(serverMs)) return;
    this.offsets.push(serverMs - localMs);
    if (this.offsets.length > this.window) this.offsets.shift();
    this.best = Math.max(...this.offsets);
  }

  /** After a new connection the old heartbeats say nothing about this server. */
  forget(): void {
    this.offsets.length = 0;
  }

  /** Server time, ms since 1970, at the local instant given. */
  at(localMs: number): number {
    return localMs + this.best;
  }
}
