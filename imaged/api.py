"""The public API for plugins: the hook marker, the contracts, their values, and the errors to raise.

HostName, PortNumber and MetricPath are validated types for the fields of options.
"""

from imaged.config.messages import UnfitError
from imaged.config.values import HostName, MetricPath, PortNumber
from imaged.core.bmp_header import BmpHeader, read_bmp
from imaged.core.colours.cicp import cicp_profile
from imaged.core.colours.icc_reader import join_profile, usable_profile
from imaged.core.colours.png_colours import PNG_COLOUR_CHUNKS, png_profile, png_profile_name
from imaged.core.colours.srgb_profile import srgb_profile
from imaged.core.disk_errors import disk_error
from imaged.core.effects import LUMA, NO_EFFECTS, SHARPEN_SIGMA_PX, Effects, MarkPlace, Watermark
from imaged.core.errors import (
    BusyError,
    DeclinedError,
    DiskFullError,
    ImagedError,
    NotAPictureError,
    OutOfTimeError,
    PolicyError,
    StoreError,
    StoreUnavailableError,
    TooLargeError,
)
from imaged.core.events import (
    Event,
    OriginalDownloaded,
    OriginalUnavailable,
    OutputFailed,
    OutputRendered,
    RequestAnswered,
    RequestFailed,
    Uploaded,
    WorkerDied,
)
from imaged.core.exif import is_sideways, oriented, read_orientation
from imaged.core.formats import (
    AVIF,
    BMP,
    CORE,
    FORMATS,
    FURTHER,
    GIF,
    HEIC,
    JPEG,
    JXL,
    PNG,
    SNIFF_BYTES,
    TIFF,
    WEBP,
    Format,
    Formats,
)
from imaged.core.geometry import Plan, Size, Step, plan, steps
from imaged.core.gravities import Compass, FocalPoint, Gravity
from imaged.core.heif_header import HeifHeader, read_boxes, read_heif
from imaged.core.jxl_header import JxlHeader, read_jxl
from imaged.core.outputs import Fill, Fit, FullSize, Output, Pad
from imaged.core.pending_jobs import Jobs
from imaged.core.perception.profile_names import profile_name
from imaged.core.perception.regions import Region
from imaged.core.pictures import ImageFacts
from imaged.core.qualities import AVIF_SPEED, WEBP_EFFORT
from imaged.core.samples import Sample
from imaged.core.snapshot import SinkStatus, Snapshot
from imaged.core.tally import Counted, Tally, Timing
from imaged.core.tiff_header import TiffHeader, read_tiff
from imaged.core.tracing import DECODE, ENCODE, RESIZE, current_trace, span
from imaged.core.variants import Variant
from imaged.hooks.contracts import (
    ConditionalUploader,
    Detector,
    ExposingSink,
    FlushingSink,
    FormatProcessor,
    MetricsSink,
    Processor,
    Purger,
    Rendered,
    RenderJob,
    SamplingProcessor,
    SelfCheckingProcessor,
    Uploader,
    VerifyingProcessor,
)
from imaged.hooks.host import Host, OptionsError, OwnThreads
from imaged.hooks.installation import VERSION, how_to_install
from imaged.hooks.specs import hookimpl
from imaged.hooks.unloaded import UnloadedProcessor
from imaged.machine import memory_bytes

__all__ = [
    "AVIF",
    "AVIF_SPEED",
    "BMP",
    "CORE",
    "DECODE",
    "ENCODE",
    "FORMATS",
    "FURTHER",
    "GIF",
    "HEIC",
    "JPEG",
    "JXL",
    "LUMA",
    "NO_EFFECTS",
    "PNG",
    "PNG_COLOUR_CHUNKS",
    "RESIZE",
    "SHARPEN_SIGMA_PX",
    "SNIFF_BYTES",
    "TIFF",
    "VERSION",
    "WEBP",
    "WEBP_EFFORT",
    "BmpHeader",
    "BusyError",
    "Compass",
    "ConditionalUploader",
    "Counted",
    "DeclinedError",
    "Detector",
    "DiskFullError",
    "Effects",
    "Event",
    "ExposingSink",
    "Fill",
    "Fit",
    "FlushingSink",
    "FocalPoint",
    "Format",
    "FormatProcessor",
    "Formats",
    "FullSize",
    "Gravity",
    "HeifHeader",
    "Host",
    "HostName",
    "ImageFacts",
    "ImagedError",
    "Jobs",
    "JxlHeader",
    "MarkPlace",
    "MetricPath",
    "MetricsSink",
    "NotAPictureError",
    "OptionsError",
    "OriginalDownloaded",
    "OriginalUnavailable",
    "OutOfTimeError",
    "Output",
    "OutputFailed",
    "OutputRendered",
    "OwnThreads",
    "Pad",
    "Plan",
    "PolicyError",
    "PortNumber",
    "Processor",
    "Purger",
    "Region",
    "RenderJob",
    "Rendered",
    "RequestAnswered",
    "RequestFailed",
    "Sample",
    "SamplingProcessor",
    "SelfCheckingProcessor",
    "SinkStatus",
    "Size",
    "Snapshot",
    "Step",
    "StoreError",
    "StoreUnavailableError",
    "Tally",
    "TiffHeader",
    "Timing",
    "TooLargeError",
    "UnfitError",
    "UnloadedProcessor",
    "Uploaded",
    "Uploader",
    "Variant",
    "VerifyingProcessor",
    "Watermark",
    "WorkerDied",
    "cicp_profile",
    "current_trace",
    "disk_error",
    "hookimpl",
    "how_to_install",
    "is_sideways",
    "join_profile",
    "memory_bytes",
    "oriented",
    "plan",
    "png_profile",
    "png_profile_name",
    "profile_name",
    "read_bmp",
    "read_boxes",
    "read_heif",
    "read_jxl",
    "read_orientation",
    "read_tiff",
    "span",
    "srgb_profile",
    "steps",
    "usable_profile",
]
