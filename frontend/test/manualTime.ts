import type { Time } from '../src/protocol/time';

/** Time that moves only when a test says so; what falls due runs in order. */
export class ManualTime implements Time {
  private at = 0;
  private next = 0;
  private readonly due = new Map<number, { at: number; action: () => void }>();

  now(): number {
    return this.at;
  }

  after(ms: number, action: () => void): () => void {
    const id = this.next++;
    this.due.set(id, { at: this.at + ms, action });
    return () => this.due.delete(id);
  }

  advance(ms: number): void {
    const end = this.at + ms;
    for (;;) {
      const [id, first] = [...this.due].sort((a, b) => a[1].at - b[1].at || a[0] - b[0])[0] ?? [];
      if (id === undefined || first === undefined || first.at > end) break;
      this.due.delete(id);
      this.at = first.at;
      first.action();
    }
    this.at = end;
  }
}
