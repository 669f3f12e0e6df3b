"""What citizens report by 1022, 113, 114 and 115: more when something happens, most of it where it happens."""

import heapq
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from simulation.event import AUTHORITY, Event
from simulation.feed import Feed, Moment
from simulation.flood import Flood
from simulation.hours import CALLING
from simulation.instruments import Place, Surveyor

_ORDINARY_PH: Final = 10.0


@dataclass(frozen=True)
class Story:
    """A kind of report: who is called, and what is said."""

    line: str
    category: str
    severity: str
    title: str
    description: str


ORDINARY: Final = (
    Story("1022", "infrastructure", "info", "Nắp cống hỏng", "Nắp cống vỡ giữa làn xe máy, đã cắm cành cây cảnh báo."),
    Story("1022", "water_cut", "info", "Mất nước sinh hoạt", "Cả hẻm mất nước từ sáng, chưa có thông báo."),
    Story("1022", "waste", "info", "Rác chưa thu gom", "Rác ùn ở đầu hẻm hai ngày, mùi hôi."),
    Story("1022", "noise", "info", "Karaoke gây ồn", "Quán hát với loa lớn sau 22 giờ."),
    Story("1022", "infrastructure", "info", "Đèn đường không sáng", "Đoạn đường tối, nguy hiểm cho người đi bộ."),
    Story("1022", "infrastructure", "info", "Đèn tín hiệu hỏng", "Đèn nhấp nháy vàng ở ngã tư đông xe."),
    Story("113", "crime", "warning", "Giật điện thoại", "Hai người đi xe máy giật điện thoại rồi chạy mất."),
    Story("113", "collision", "warning", "Va chạm hai xe máy", "Hai xe máy va chạm, chắn một làn."),
    Story("114", "fire", "warning", "Chập điện bốc khói", "Khói từ tủ điện trước nhà, chưa thấy lửa."),
    Story("115", "medical", "warning", "Người ngất xỉu", "Cụ ông khoảng 70 tuổi ngất, còn thở."),
    Story("115", "collision", "warning", "Té xe, chảy máu đầu", "Một người té xe, tỉnh táo, cần xe cứu thương."),
)
WET: Final = (
    Story("1022", "flooding", "warning", "Nước tới yên xe", "Nước dâng nhanh, xe chết máy hàng loạt."),
    Story("1022", "flooding", "warning", "Nước tràn vào nhà", "Nước tràn vào tầng trệt, cần máy bơm."),
    Story("1022", "flooding", "warning", "Ngập không thấy vỉa hè", "Không thấy vỉa hè và miệng cống, sợ có hố."),
    Story("113", "congestion", "warning", "Kẹt xe vì ngập", "Xe quay đầu ngược chiều, cần người điều tiết."),
    Story("114", "flooding", "critical", "Người kẹt trong hầm xe", "Nước vào hầm để xe, còn người bên dưới."),
    Story("115", "medical", "critical", "Kẹt đường, cần mở lối", "Xe cứu thương không qua được đoạn ngập."),
)
JAMMED: Final = (
    Story("113", "congestion", "warning", "Ngã tư kẹt cứng", "Bốn hướng không nhúc nhích, xe leo vỉa hè."),
    Story("113", "collision", "warning", "Va chạm ba xe", "Ba xe va chạm, chắn hai làn."),
    Story("115", "medical", "warning", "Xe cứu thương bị kẹt", "Xe có còi ưu tiên đứng yên giữa dòng xe."),
)
SMOKY: Final = (
    Story("1022", "environment", "info", "Khói bụi mù mịt", "Cay mắt, khó thở, tầm nhìn dưới một cây số."),
    Story("115", "medical", "warning", "Khó thở", "Trẻ bị hen lên cơn khó thở."),
)
FEVERISH: Final = (
    Story("115", "medical", "warning", "Sốt cao, co giật", "Bé 6 tuổi sốt cao ngày thứ tư, tay chân lạnh."),
    Story("1022", "medical", "info", "Ổ lăng quăng", "Lô đất trống đọng nước đầy lăng quăng, nhiều nhà có người sốt."),
)


class Hotline(Feed):
    """Reports that are opened, and closed by the same subject when somebody has been there."""

    name = "hotline"
    sector = "hotline"

    def __init__(self, surveyor: Surveyor, flood: Flood, rng: np.random.Generator) -> None:
        super().__init__()
        self._surveyor = surveyor
        self._flood = flood
        self._rng = rng
        self._open: list[tuple[int, int, Event]] = []

    def advance(self, moment: Moment) -> list[Event]:
        """Reports opened and closed in this span."""
        talk = moment.scenario.talk.at(moment.second)
        share = max(moment.local.share(CALLING), 0.5 if talk > 1 else 0.0)
        calls = int(self._rng.poisson(_ORDINARY_PH * talk * share * moment.seconds / 3600))
        opened = sorted(int(self._rng.integers(moment.after_us, moment.until_us)) + 1 for _ in range(calls))
        events = [self._call(moment, at) for at in opened]
        while self._open and self._open[0][0] <= moment.until_us:
            at, _, first = heapq.heappop(self._open)
            data = first.data | {"status": "closed"}
            closed = Event(self.sector, "report", first.source, first.asset, moment.start_us + at, data, self.count())
            events.append(closed)
        return events

    def _call(self, moment: Moment, at: int) -> Event:
        story, place, street = self._story(moment)
        number = self.count()
        data: dict[str, Any] = {
            "category": story.category,
            "severity": story.severity,
            "title": story.title,
            "description": f"{street}: {story.description}" if street else story.description,
            "status": "open",
        }
        if place.location is not None:
            data["location"] = place.location
        if place.zone is not None:
            data["zone"] = place.zone
        subject = f"{story.line}-{(moment.start_us + at) // 1_000_000}-{number}"
        source = f"{AUTHORITY}/{story.line}"
        event = Event(self.sector, "report", source, subject, moment.start_us + at, data, number)
        heapq.heappush(self._open, (at + int(self._rng.uniform(600, 2700) * 1e6), number, event))
        return event

    def _story(self, moment: Moment) -> tuple[Story, Place, str]:
        """What is told, and where; where water stands it is told by those who stand in it."""
        flooded = np.flatnonzero(self._flood.depth_cm > 10)
        chance = self._rng.random()
        if len(flooded) and chance < 0.8:
            at = int(self._rng.choice(flooded))
            return self._one_of(WET), self._flood.instruments.places[at], self._flood.streets[at]
        second, scenario = moment.second, moment.scenario
        told: tuple[Story, ...] = ORDINARY
        for share, stories in (
            (scenario.rush.at(second), JAMMED),
            (scenario.smog.at(second), SMOKY),
            (scenario.outbreak.at(second), FEVERISH),
        ):
            if share > 0.2 and chance < 0.6:
                told = stories
        return self._one_of(told), self._surveyor.place(), ""

    def _one_of(self, stories: tuple[Story, ...]) -> Story:
        return stories[int(self._rng.integers(len(stories)))]
