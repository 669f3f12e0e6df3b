"""Names, texts and first steps of the built-in rules, for one sector."""

from typing import Final

import msgspec

from alerts.feed import FEED_DEAD, SERIES_LIMIT, WRONG_CLOCK
from city.sectors import Metric, Sector

RECORDS_LOST: Final = "system-records-lost"
"""Retention, or a log's end, took records unread. Not the engine's: `alerts.losses` watches the books of ingest."""

RECORD_TIMES: Final = "system-record-times"
"""A topic keeps its producers' times: `alerts.record_times` watches the settings of the topics for it."""

BESIDE_THE_ENGINE: Final = (RECORDS_LOST, RECORD_TIMES)
"""Built-in rules whose alerts no engine holds; a sector's recovery leaves them alone."""


class SystemText(msgspec.Struct, frozen=True):
    """What a built-in rule says; {sector} stands for the sector's short name."""

    title: dict[str, str]
    short: dict[str, str]
    consequence: dict[str, str]
    response: tuple[dict[str, str], ...]
    metric: str
    """What its value counts, where it is no metric of the sector's."""
    unit: str = ""

    def title_for(self, sector: Sector, metric: Metric | None = None) -> dict[str, str]:
        """The title with the sector's name in it, and the metric's where only that is concerned."""
        titles = _filled(self.title, sector)
        if metric is None:
            return titles
        return {language: f"{title} ({metric.label[language]})" for language, title in titles.items()}

    def short_for(self, sector: Sector) -> dict[str, str]:
        """The short title with the sector's short name in it."""
        return _filled(self.short, sector)


def _filled(texts: dict[str, str], sector: Sector) -> dict[str, str]:
    return {language: text.replace("{sector}", sector.short[language]) for language, text in texts.items()}


SYSTEM: Final[dict[str, SystemText]] = {
    FEED_DEAD: SystemText(
        title={"vi": "Mất dữ liệu: {sector}", "en": "Feed dead: {sector}"},
        short={"vi": "Mất dữ liệu {sector}", "en": "{sector} feed dead"},
        consequence={
            "vi": "Màn hình không còn thấy tình hình của ngành này; cảnh báo mới sẽ không xuất hiện",
            "en": "The screens no longer see this sector; nothing new can alarm",
        },
        response=(
            {"vi": "Gọi đơn vị cung cấp dữ liệu", "en": "Call the publisher of the feed"},
            {"vi": "Kiểm tra đường truyền và broker", "en": "Check the line and the broker"},
            {"vi": "Theo dõi hiện trường bằng kênh khác", "en": "Watch the field by another channel"},
        ),
        metric="feed_silence_s",
        unit="s",
    ),
    WRONG_CLOCK: SystemText(
        title={"vi": "Sai giờ ở thiết bị: {sector}", "en": "Wrong clock: {sector}"},
        short={"vi": "Sai giờ: {sector}", "en": "{sector} clock wrong"},
        consequence={
            "vi": "Số đo của thiết bị này bị xem là cũ hoặc ở tương lai và không gây cảnh báo",
            "en": "Readings of this device count as old or future and raise nothing",
        },
        response=(
            {"vi": "Kiểm tra giờ và múi giờ của thiết bị", "en": "Check the device's clock and time zone"},
            {"vi": "Xem hàng đợi dead-letter của ngành", "en": "Look at the sector's dead letters"},
        ),
        metric="feed_age_s",
        unit="s",
    ),
    SERIES_LIMIT: SystemText(
        title={"vi": "Vượt giới hạn số chuỗi đo: {sector}", "en": "Too many series: {sector}"},
        short={"vi": "Quá nhiều chuỗi đo", "en": "Too many series"},
        consequence={
            "vi": "Chuỗi đo mới không được theo dõi",
            "en": "New series are not watched",
        },
        response=(
            {"vi": "Tìm nguồn đổi tên thiết bị liên tục", "en": "Find the publisher that keeps renaming its assets"},
        ),
        metric="series",
    ),
    RECORDS_LOST: SystemText(
        title={"vi": "Mất bản ghi chưa đọc: {sector}", "en": "Records lost unread: {sector}"},
        short={"vi": "Mất bản ghi: {sector}", "en": "{sector} records lost"},
        consequence={
            "vi": "Số đo trong khoảng đó không được lưu và không thể khôi phục từ broker",
            "en": "The readings of that time are not stored and the broker no longer has them",
        },
        response=(
            {"vi": "Xem `citywatch ledger --verify`: bao nhiêu, ở đâu", "en": "See `citywatch ledger --verify`: what"},
            {"vi": "Yêu cầu đơn vị cung cấp gửi lại dữ liệu", "en": "Ask the publisher to send it again"},
            {
                "vi": "Tìm nguyên nhân: thời gian lưu quá ngắn, hay broker đã dừng",
                "en": "Find the cause: retention too short, or a broker that ended",
            },
            {
                "vi": "Chấp nhận: `citywatch ledger --accept-expired` hoặc `--accept-lost`",
                "en": "Accept it: `citywatch ledger --accept-expired` or `--accept-lost`",
            },
        ),
        metric="records_lost",
    ),
    RECORD_TIMES: SystemText(
        title={"vi": "Giờ bản ghi không phải của broker: {sector}", "en": "Record times not the broker's: {sector}"},
        short={"vi": "Giờ bản ghi: {sector}", "en": "{sector} record times"},
        consequence={
            "vi": "Không thể tin tuổi số đo: số đo cũ có thể gây báo động, đồng hồ sai không bị phát hiện",
            "en": "Ages can't be trusted: an old reading may raise an alert, a wrong clock goes unseen",
        },
        response=(
            {"vi": "Gọi người quản trị Kafka", "en": "Call whoever runs Kafka"},
            {
                "vi": "Đặt message.timestamp.type=LogAppendTime cho topic; `citywatch migrate` cho biết lệnh",
                "en": "Set message.timestamp.type=LogAppendTime on the topic; `citywatch migrate` tells the command",
            },
        ),
        metric="record_times",
    ),
}
