import type { Identity } from '../access/identity.svelte';
import { sentenceOf } from '../access/refusal';

/** A list of center's on a page: read at the start and after each act; what went wrong is said above it. */
export class Listing<T> {
  body = $state.raw<T | null>(null);
  problem = $state('');
  busy = $state(false);

  constructor(
    private readonly identity: Identity,
    private readonly path: string,
  ) {
    void this.read();
  }

  async read(): Promise<void> {
    const answer = await this.identity.ask<T>('GET', this.path);
    if (answer.ok) this.body = answer.body;
    else this.problem = sentenceOf(answer);
  }

  /** What an act answered; null when it was refused. The list is read again either way. */
  async act<R>(method: string, path: string, body?: unknown): Promise<R | null> {
    if (this.busy) return null;
    this.busy = true;
    this.problem = '';
    const answer = await this.identity.ask<R>(method, path, body);
    const problem = answer.ok ? '' : sentenceOf(answer);
    await this.read();
    if (problem !== '') this.problem = problem;
    this.busy = false;
    return answer.ok ? (answer.body ?? ({} as R)) : null;
  }
}
