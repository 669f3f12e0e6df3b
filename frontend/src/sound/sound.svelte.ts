import type { Alert } from '../protocol/messages';
import { rank } from '../severity';
import { elapsed } from '../text/format';
import { say } from '../text/language';
import { calls, causeOf, type Call, type Cause } from './plan';

const SILENCE_MS = 120_000;

/** The sound of one screen (`?sound=1`). Keys: m = silence for two minutes, t = test. A new critical breaks silence. */
export class Sound {
  /** What the header says about it: blocked by the browser, or silent for so long. */
  note = $state('');
  private readonly context = new AudioContext();
  private cause: Cause | null = null;
  private playedAt = -Infinity;
  private silentUntil = 0;
  private heard = new Set<string>();

  constructor(private readonly now: () => number) {}

  /** Called each second and on every change of the alerts. */
  update(alerts: readonly Alert[], lost: boolean, now: number): void {
    const calling = alerts.filter((alert) => alert.state === 'unacknowledged');
    const fresh = calling.filter((alert) => !this.heard.has(`${alert.id} ${alert.severity}`));
    this.heard = new Set(calling.map((alert) => `${alert.id} ${alert.severity}`));
    if (fresh.some((alert) => rank(alert.severity) >= 2)) this.silentUntil = 0;
    const cause = causeOf(alerts, lost);
    const call = cause === null ? null : calls[cause];
    const due =
      call !== null &&
      (call.every === null ? fresh.length > 0 : cause !== this.cause || now - this.playedAt >= call.every * 1000);
    this.cause = cause;
    const silent = now < this.silentUntil;
    if (call !== null && due && !silent) {
      this.playedAt = now;
      this.play(call);
    }
    if (this.context.state !== 'running') this.note = say('soundBlocked');
    else this.note = silent ? `${say('soundSilenced')} ${elapsed(this.silentUntil - now)}` : '';
  }

  key(key: string): void {
    void this.context.resume();
    if (key === 'm') this.silentUntil = this.now() + SILENCE_MS;
    if (key === 't') this.play(calls.critical);
  }

  private play(call: Call): void {
    if (this.context.state !== 'running') return;
    const start = this.context.currentTime + 0.02;
    for (const { hz, at, length } of call.tones) {
      const oscillator = new OscillatorNode(this.context, { frequency: hz });
      const gain = new GainNode(this.context, { gain: 0 });
      gain.gain.setTargetAtTime(0.4, start + at, 0.01);
      gain.gain.setTargetAtTime(0, start + at + length, 0.02);
      oscillator.connect(gain).connect(this.context.destination);
      oscillator.start(start + at);
      oscillator.stop(start + at + length + 0.2);
    }
  }
}
