import type { Time } from '../protocol/time';
import type { Answer, Ask, Refusal } from './answer';

const POLL_MS = 2_000;
const AGAIN_MS = 3_000;
const INSECURE_MS = 30_000;

/** What stands in the way; `link_over` does not: the code does. */
export type Trouble = 'none' | 'offline' | 'insecure' | 'busy';

interface Begun {
  code: string;
  secret: string;
  expires_in_s: number;
}

/** A screen without access asks for it: by the link it was opened with, else by a code that an operator confirms. */
export class Pairing {
  /** What the screen shows; null before the first one. */
  code = $state<string | null>(null);
  /** Local ms when the code runs out. */
  endsAt = $state(0);
  trouble = $state<Trouble>('none');
  /** The link it came with pairs nobody any more. */
  linkIsOver = $state(false);

  constructor(
    private readonly ask: Ask,
    private readonly time: Time,
  ) {}

  /**
   * Resolves when this screen has its access, however long that takes.
   * @param mayLook whether it has it already: asked when the link it came with is over.
   */
  async run(link: string | null, mayLook: () => Promise<boolean> = async () => false): Promise<void> {
    if (link !== null && ((await this.claim(link)) || (await mayLook()))) return;
    for (;;) {
      const begun = await this.begin();
      if (begun !== null && (await this.confirmed(begun))) return;
    }
  }

  private async claim(link: string): Promise<boolean> {
    for (;;) {
      const answer = await this.ask('POST', '/devices/claim', { link });
      if (answer.ok) return true;
      if (answer.status === 410 || answer.status === 422) {
        this.linkIsOver = true;
        return false;
      }
      await this.later(answer);
    }
  }

  private async begin(): Promise<Begun | null> {
    const answer = await this.ask<Begun>('POST', '/devices/pairing');
    if (!answer.ok) {
      this.code = null;
      await this.later(answer);
      return null;
    }
    this.trouble = 'none';
    this.endsAt = this.time.now() + answer.body.expires_in_s * 1000;
    this.code = answer.body.code;
    return answer.body;
  }

  /** Asks until somebody has confirmed the code, or until it has run out: a last time when it does. */
  private async confirmed({ secret }: Begun): Promise<boolean> {
    for (;;) {
      const left = this.endsAt - this.time.now();
      await this.sleep(Math.min(POLL_MS, Math.max(left, 0)));
      const answer: Answer<{ state: string }> = await this.ask('POST', '/devices/pairing/poll', { secret });
      if (answer.ok) {
        this.trouble = 'none';
        if (answer.body.state === 'paired') return true;
      } else if (answer.status === 410) {
        return false;
      } else {
        await this.later(answer);
      }
      if (this.time.now() >= this.endsAt) return false;
    }
  }

  private async later({ status, code, waitS }: Refusal): Promise<void> {
    this.trouble = code === 'https_required' ? 'insecure' : status === 429 ? 'busy' : 'offline';
    await this.sleep(this.trouble === 'insecure' ? INSECURE_MS : Math.max(AGAIN_MS, waitS * 1000));
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.time.after(ms, resolve));
  }
}
