import type { LinkState } from '../protocol/client';
import type { ServerClock } from '../protocol/time';
import { linkOf, type Link } from '../staleness';

/** How long a screen that lost its access says so before it asks to be paired again. */
export const REFUSED_SHOWN_MS = 60_000;

/** The connection and the time, as the screen shows them: refreshed once a second, ages are taken from `now`. */
export class LinkStore {
  /** Server time, ms since 1970, as of the last second. */
  now = $state(0);
  /** How long the server has been silent, ms. */
  silence = $state(0);
  state = $state.raw<LinkState>({ phase: 'connecting', heardAt: 0, everHeard: false, restartingUntil: null });
  /** While center refuses this screen: ms until it asks to be paired again. */
  leavesIn = $state<number | null>(null);
  private refusedAt: number | null = null;
  /** The dark half of the pulse, in phase on every screen by the server's clock. */
  dim = $state(false);

  constructor(
    private readonly clock: ServerClock,
    private readonly local: () => number,
  ) {
    this.tick();
  }

  /** Center said that whoever looks here may look no more: nothing on this page is believed from then on. */
  get refused(): boolean {
    return this.leavesIn !== null;
  }

  get shown(): Link {
    return this.refused ? 'blind' : linkOf(this.silence);
  }

  get restarting(): boolean {
    return this.state.restartingUntil !== null;
  }

  changed(state: LinkState): void {
    const heard = state.heardAt !== this.state.heardAt;
    // heardAt moves with every frame; the screen needs to know only when something else does, or when it was lost.
    if (heard && this.shown !== 'live') this.silence = 0;
    this.refusedAt = state.phase === 'refused' ? (this.refusedAt ?? this.local()) : null;
    this.leavesIn = this.timeLeft();
    this.state = state;
  }

  tick(): void {
    this.now = this.clock.at(this.local());
    this.silence = Math.max(0, this.local() - this.state.heardAt);
    this.leavesIn = this.timeLeft();
  }

  private timeLeft(): number | null {
    return this.refusedAt === null ? null : Math.max(0, this.refusedAt + REFUSED_SHOWN_MS - this.local());
  }
}
