const KEY = 'citywatch-position';

/** How the place of work is called at which this browser stands; kept from one day to the next. */
class Position {
  #name = $state(localStorage.getItem(KEY) ?? '');

  get name(): string {
    return this.#name;
  }

  set name(name: string) {
    this.#name = name;
    localStorage.setItem(KEY, name.trim());
  }
}

export const position = new Position();
