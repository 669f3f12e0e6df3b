/** Where one channel stands: what was seen, and what to do with the next message. */
export type Verdict = 'accept' | 'drop' | 'resync';

export class Cursor {
  /** The seq of the newest message applied; null before the first snapshot. */
  have: number | null = null;
  /** A resubscription is under way: what doesn't follow is dropped, not answered with another one. */
  resyncing = false;
  /** Local ms of the last subscription. */
  askedAt = 0;

  snapshot(seq: number): void {
    this.have = seq;
    this.resyncing = false;
  }

  /** Accepts if prev ≤ have < seq, drops what is already here, else asks to subscribe again. */
  delta(prev: number, seq: number): Verdict {
    if (this.have === null) return 'drop';
    if (seq <= this.have) return 'drop';
    if (prev <= this.have) {
      this.have = seq;
      this.resyncing = false;
      return 'accept';
    }
    return this.resyncing ? 'drop' : 'resync';
  }

  forget(): void {
    this.have = null;
    this.resyncing = false;
  }
}
