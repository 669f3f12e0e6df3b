import { cityIsIn } from '../text/format';
import { ask as askCenter, type Answer, type Ask } from './answer';

export const ROLES = ['viewer', 'operator', 'supervisor', 'admin'] as const;
export type Role = (typeof ROLES)[number];

export interface Principal {
  /** local: sign-in is off here, and everybody may do everything. */
  kind: 'person' | 'key' | 'device' | 'local';
  name: string;
  role: Role | null;
  /** Empty: all. */
  sectors: string[];
  zones: string[];
  must_change_password: boolean;
}

/** How one can sign in here. */
export interface WaysIn {
  required: boolean;
  local: boolean;
  /** False: this page came over plain HTTP from elsewhere, where nobody can sign in. */
  private: boolean;
  oidc: { title: string } | null;
}

export interface SessionJson {
  principal: Principal | null;
  csrf: string | null;
  expires_at: string | null;
  sign_in: WaysIn;
  /** The city's, as in the tz database. */
  timezone?: string;
}

/** Rights that have changed are in force within half a second. */
const SOON_MS = 200;
const TRIES = 25;
/** The longest that a browser's timer can wait is 24.8 days. */
const LONGEST_MS = 2 ** 31 - 1;
const AFTER_EXPIRY_MS = 500;

/** Whether a console has somebody in front of it; a screen's own access does not count there. */
export function isPerson(principal: Principal): boolean {
  return principal.kind === 'person' || principal.kind === 'local';
}

/** Who sits in front of this page, what they may do, and requests in their name. */
export class Identity {
  /** Null: nobody. While `expired` it is still who sat here. */
  principal = $state.raw<Principal | null>(null);
  waysIn = $state.raw<WaysIn | null>(null);
  /** Center has said who it is, if anybody. */
  known = $state(false);
  /** Whoever sat here is signed in no more; what they were typing is still on the page. */
  expired = $state(false);
  private csrf: string | null = null;
  private expiry: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly counts: (principal: Principal) => boolean = isPerson,
    private readonly send: Ask = askCenter,
    private readonly reload: () => void = () => location.reload(),
  ) {}

  /** Asks center who this is. */
  async load(): Promise<Answer<SessionJson>> {
    const answer = await this.send<SessionJson>('GET', '/session');
    if (answer.ok) this.take(answer.body);
    return answer;
  }

  /** After the first password was changed: returns when center knows that nothing stands in the way any more. */
  async passwordChanged(): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      await this.load();
      if (this.principal?.must_change_password !== true) return;
      await new Promise((resolve) => setTimeout(resolve, SOON_MS));
    }
  }

  async signIn(name: string, password: string): Promise<Answer<SessionJson>> {
    const answer = await this.send<SessionJson>('POST', '/session', { name: name.normalize('NFC'), password });
    if (answer.ok) this.take(answer.body);
    return answer;
  }

  /** A request in this person's name. What the page shows of them follows from the answer. */
  async ask<T>(method: string, path: string, body?: unknown): Promise<Answer<T>> {
    let answer = await this.send<T>(method, path, body, this.csrf);
    if (!answer.ok && answer.code === 'csrf') {
      // Another tab has signed in since: its token is another one.
      await this.load();
      if (!this.expired) answer = await this.send<T>(method, path, body, this.csrf);
    }
    if (!answer.ok && ['sign_in_required', 'must_change_password', 'not_allowed'].includes(answer.code)) await this.load();
    return answer;
  }

  /** Whether they have this role or one above it. */
  covers(role: Role): boolean {
    const own = this.principal?.role;
    return own != null && ROLES.indexOf(own) >= ROLES.indexOf(role);
  }

  /** Whether they may act on what belongs to this sector and zone. */
  mayActOn({ sector, zone }: { sector: string; zone: string | null }): boolean {
    const { sectors = [], zones = [] } = this.principal ?? {};
    return (
      this.covers('operator') &&
      (sectors.length === 0 || sectors.includes(sector)) &&
      (zones.length === 0 || zone === null || zones.includes(zone))
    );
  }

  private take({ principal, csrf, expires_at, sign_in, timezone }: SessionJson): void {
    if (timezone !== undefined) cityIsIn(timezone);
    const now = principal !== null && this.counts(principal) ? principal : null;
    const before = this.principal;
    this.waysIn = sign_in;
    this.known = true;
    clearTimeout(this.expiry);
    if (now === null) {
      this.csrf = null;
      this.expired = before !== null;
      return;
    }
    if (before !== null && before.name !== now.name) {
      // Somebody else: nothing of this page is theirs.
      this.reload();
      return;
    }
    this.csrf = csrf;
    this.principal = now;
    this.expired = false;
    if (expires_at !== null) {
      const left = Date.parse(expires_at) - Date.now() + AFTER_EXPIRY_MS;
      this.expiry = setTimeout(() => void this.load(), Math.min(Math.max(left, AFTER_EXPIRY_MS), LONGEST_MS));
    }
  }
}
