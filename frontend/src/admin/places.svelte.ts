import type { Identity } from '../access/identity.svelte';
import type { Bilingual } from '../protocol/messages';
import { placeName, say, told } from '../text/language';

export interface Place {
  code: string;
  name: string;
}

/** The city's sectors and zones, by name in the reader's language. */
export class Places {
  sectors = $state.raw<readonly Place[]>([]);
  zones = $state.raw<readonly Place[]>([]);
  /** They were asked for; what could not be had is shown by its code. */
  ready = $state(false);

  constructor(identity: Identity) {
    void this.load(identity);
  }

  /** A scope as a reader sees it. */
  scope(sectors: readonly string[], zones: readonly string[]): string {
    const where = zones.length === 0 ? say('allZones') : this.named(this.zones, zones);
    return `${sectors.length === 0 ? say('allSectors') : this.named(this.sectors, sectors)} · ${where}`;
  }

  named(all: readonly Place[], codes: readonly string[]): string {
    return codes.map((code) => all.find((one) => one.code === code)?.name ?? code).join(', ');
  }

  private async load(identity: Identity): Promise<void> {
    const [sectors, zones] = await Promise.all([
      identity.ask<{ sectors: { sector: string; title: Bilingual }[] }>('GET', '/sectors'),
      identity.ask<{ zones: { code: string; name: Bilingual }[] }>('GET', '/zones'),
    ]);
    const { compare } = new Intl.Collator('vi');
    if (sectors.ok) this.sectors = sectors.body.sectors.map(({ sector, title }) => ({ code: sector, name: told(title) }));
    if (zones.ok) {
      this.zones = zones.body.zones
        .map(({ code, name }) => ({ code, name: placeName(name) }))
        .sort((a, b) => compare(a.name, b.name));
    }
    this.ready = true;
  }
}
