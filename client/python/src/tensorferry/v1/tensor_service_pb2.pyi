from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

ADJUSTMENT_BOOL_NORMALIZED: Adjustment
ADJUSTMENT_BYTE_ORDER_SWAPPED: Adjustment
ADJUSTMENT_UNSPECIFIED: Adjustment
DESCRIPTOR: _descriptor.FileDescriptor
DIGEST_ALGORITHM_UNSPECIFIED: DigestAlgorithm
DIGEST_ALGORITHM_XXH3_128: DigestAlgorithm
FIDELITY_CONVERT: Fidelity
FIDELITY_STRICT: Fidelity
FIDELITY_UNSPECIFIED: Fidelity
MODEL_STATE_LOADING: ModelState
MODEL_STATE_READY: ModelState
MODEL_STATE_UNAVAILABLE: ModelState
MODEL_STATE_UNLOADING: ModelState
MODEL_STATE_UNSPECIFIED: ModelState

class Array(_message.Message):
    __slots__ = ["chunked_nbytes", "data", "dtype", "fortran_order", "name", "npy", "shape", "shared_memory"]
    CHUNKED_NBYTES_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    FORTRAN_ORDER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NPY_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    SHARED_MEMORY_FIELD_NUMBER: _ClassVar[int]
    chunked_nbytes: int
    data: bytes
    dtype: str
    fortran_order: bool
    name: str
    npy: bytes
    shape: _containers.RepeatedScalarFieldContainer[int]
    shared_memory: SharedMemoryRange
    def __init__(self, name: _Optional[str] = ..., dtype: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ..., fortran_order: bool = ..., data: _Optional[bytes] = ..., npy: _Optional[bytes] = ..., chunked_nbytes: _Optional[int] = ..., shared_memory: _Optional[_Union[SharedMemoryRange, _Mapping]] = ...) -> None: ...

class ConvertRequest(_message.Message):
    __slots__ = ["arrays", "digest", "fidelity", "model_name", "model_version", "output_memory", "request_id", "requested_outputs", "return_data"]
    ARRAYS_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    FIDELITY_FIELD_NUMBER: _ClassVar[int]
    MODEL_NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_MEMORY_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RETURN_DATA_FIELD_NUMBER: _ClassVar[int]
    arrays: _containers.RepeatedCompositeFieldContainer[Array]
    digest: DigestAlgorithm
    fidelity: Fidelity
    model_name: str
    model_version: str
    output_memory: SharedMemoryRange
    request_id: str
    requested_outputs: _containers.RepeatedScalarFieldContainer[str]
    return_data: bool
    def __init__(self, request_id: _Optional[str] = ..., model_name: _Optional[str] = ..., model_version: _Optional[str] = ..., fidelity: _Optional[_Union[Fidelity, str]] = ..., digest: _Optional[_Union[DigestAlgorithm, str]] = ..., return_data: bool = ..., requested_outputs: _Optional[_Iterable[str]] = ..., arrays: _Optional[_Iterable[_Union[Array, _Mapping]]] = ..., output_memory: _Optional[_Union[SharedMemoryRange, _Mapping]] = ...) -> None: ...

class ConvertResponse(_message.Message):
    __slots__ = ["error", "model_name", "model_version", "outputs", "request_id", "tensors", "timing"]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    MODEL_NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TENSORS_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    error: Error
    model_name: str
    model_version: str
    outputs: _containers.RepeatedCompositeFieldContainer[Tensor]
    request_id: str
    tensors: _containers.RepeatedCompositeFieldContainer[Tensor]
    timing: Timing
    def __init__(self, request_id: _Optional[str] = ..., error: _Optional[_Union[Error, _Mapping]] = ..., model_name: _Optional[str] = ..., model_version: _Optional[str] = ..., tensors: _Optional[_Iterable[_Union[Tensor, _Mapping]]] = ..., outputs: _Optional[_Iterable[_Union[Tensor, _Mapping]]] = ..., timing: _Optional[_Union[Timing, _Mapping]] = ...) -> None: ...

class ConvertStreamRequest(_message.Message):
    __slots__ = ["chunk", "request"]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    chunk: bytes
    request: ConvertRequest
    def __init__(self, request: _Optional[_Union[ConvertRequest, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class ConvertStreamResponse(_message.Message):
    __slots__ = ["chunk", "response"]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    chunk: bytes
    response: ConvertResponse
    def __init__(self, response: _Optional[_Union[ConvertResponse, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class DtypeInfo(_message.Message):
    __slots__ = ["itemsize", "numpy_descr", "numpy_dtype", "oip_datatype", "torch_dtype"]
    ITEMSIZE_FIELD_NUMBER: _ClassVar[int]
    NUMPY_DESCR_FIELD_NUMBER: _ClassVar[int]
    NUMPY_DTYPE_FIELD_NUMBER: _ClassVar[int]
    OIP_DATATYPE_FIELD_NUMBER: _ClassVar[int]
    TORCH_DTYPE_FIELD_NUMBER: _ClassVar[int]
    itemsize: int
    numpy_descr: str
    numpy_dtype: str
    oip_datatype: str
    torch_dtype: str
    def __init__(self, numpy_dtype: _Optional[str] = ..., numpy_descr: _Optional[str] = ..., torch_dtype: _Optional[str] = ..., itemsize: _Optional[int] = ..., oip_datatype: _Optional[str] = ...) -> None: ...

class Error(_message.Message):
    __slots__ = ["code", "message", "metadata", "reason", "retry_after_ms"]
    class MetadataEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    metadata: _containers.ScalarMap[str, str]
    reason: str
    retry_after_ms: int
    def __init__(self, code: _Optional[int] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., retry_after_ms: _Optional[int] = ...) -> None: ...

class GetServerInfoRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class GetServerInfoResponse(_message.Message):
    __slots__ = ["dtypes", "features", "max_message_bytes", "max_ndim", "max_tensor_bytes", "recommended_chunk_bytes", "torch_version", "version"]
    DTYPES_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_NDIM_FIELD_NUMBER: _ClassVar[int]
    MAX_TENSOR_BYTES_FIELD_NUMBER: _ClassVar[int]
    RECOMMENDED_CHUNK_BYTES_FIELD_NUMBER: _ClassVar[int]
    TORCH_VERSION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    dtypes: _containers.RepeatedCompositeFieldContainer[DtypeInfo]
    features: _containers.RepeatedScalarFieldContainer[str]
    max_message_bytes: int
    max_ndim: int
    max_tensor_bytes: int
    recommended_chunk_bytes: int
    torch_version: str
    version: str
    def __init__(self, version: _Optional[str] = ..., torch_version: _Optional[str] = ..., max_message_bytes: _Optional[int] = ..., max_tensor_bytes: _Optional[int] = ..., recommended_chunk_bytes: _Optional[int] = ..., max_ndim: _Optional[int] = ..., dtypes: _Optional[_Iterable[_Union[DtypeInfo, _Mapping]]] = ..., features: _Optional[_Iterable[str]] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ["models"]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[ModelInfo]
    def __init__(self, models: _Optional[_Iterable[_Union[ModelInfo, _Mapping]]] = ...) -> None: ...

class ModelInfo(_message.Message):
    __slots__ = ["inputs", "name", "outputs", "platform", "reason", "sha256", "state", "version"]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    inputs: _containers.RepeatedCompositeFieldContainer[TensorSpec]
    name: str
    outputs: _containers.RepeatedCompositeFieldContainer[TensorSpec]
    platform: str
    reason: str
    sha256: str
    state: ModelState
    version: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., state: _Optional[_Union[ModelState, str]] = ..., reason: _Optional[str] = ..., platform: _Optional[str] = ..., inputs: _Optional[_Iterable[_Union[TensorSpec, _Mapping]]] = ..., outputs: _Optional[_Iterable[_Union[TensorSpec, _Mapping]]] = ..., sha256: _Optional[str] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ["adjustments", "digest", "dtype_equal", "numpy_dtype", "source_dtype"]
    ADJUSTMENTS_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    DTYPE_EQUAL_FIELD_NUMBER: _ClassVar[int]
    NUMPY_DTYPE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_DTYPE_FIELD_NUMBER: _ClassVar[int]
    adjustments: _containers.RepeatedScalarFieldContainer[Adjustment]
    digest: bytes
    dtype_equal: bool
    numpy_dtype: str
    source_dtype: str
    def __init__(self, source_dtype: _Optional[str] = ..., numpy_dtype: _Optional[str] = ..., dtype_equal: bool = ..., adjustments: _Optional[_Iterable[_Union[Adjustment, str]]] = ..., digest: _Optional[bytes] = ...) -> None: ...

class SharedMemoryRange(_message.Message):
    __slots__ = ["nbytes", "offset", "region"]
    NBYTES_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    nbytes: int
    offset: int
    region: str
    def __init__(self, region: _Optional[str] = ..., offset: _Optional[int] = ..., nbytes: _Optional[int] = ...) -> None: ...

class Tensor(_message.Message):
    __slots__ = ["chunked_nbytes", "data", "metadata", "shared_memory"]
    CHUNKED_NBYTES_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SHARED_MEMORY_FIELD_NUMBER: _ClassVar[int]
    chunked_nbytes: int
    data: bytes
    metadata: TensorMetadata
    shared_memory: SharedMemoryRange
    def __init__(self, metadata: _Optional[_Union[TensorMetadata, _Mapping]] = ..., data: _Optional[bytes] = ..., chunked_nbytes: _Optional[int] = ..., shared_memory: _Optional[_Union[SharedMemoryRange, _Mapping]] = ...) -> None: ...

class TensorMetadata(_message.Message):
    __slots__ = ["device", "dtype", "itemsize", "name", "nbytes", "numel", "receipt", "shape", "strides"]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    ITEMSIZE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NBYTES_FIELD_NUMBER: _ClassVar[int]
    NUMEL_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    STRIDES_FIELD_NUMBER: _ClassVar[int]
    device: str
    dtype: str
    itemsize: int
    name: str
    nbytes: int
    numel: int
    receipt: Receipt
    shape: _containers.RepeatedScalarFieldContainer[int]
    strides: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, name: _Optional[str] = ..., dtype: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ..., strides: _Optional[_Iterable[int]] = ..., numel: _Optional[int] = ..., itemsize: _Optional[int] = ..., nbytes: _Optional[int] = ..., device: _Optional[str] = ..., receipt: _Optional[_Union[Receipt, _Mapping]] = ...) -> None: ...

class TensorSpec(_message.Message):
    __slots__ = ["dtype", "name", "shape"]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    dtype: str
    name: str
    shape: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, name: _Optional[str] = ..., dtype: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ...) -> None: ...

class Timing(_message.Message):
    __slots__ = ["compute_ns", "convert_ns", "queue_ns", "receive_ns"]
    COMPUTE_NS_FIELD_NUMBER: _ClassVar[int]
    CONVERT_NS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_NS_FIELD_NUMBER: _ClassVar[int]
    RECEIVE_NS_FIELD_NUMBER: _ClassVar[int]
    compute_ns: int
    convert_ns: int
    queue_ns: int
    receive_ns: int
    def __init__(self, receive_ns: _Optional[int] = ..., convert_ns: _Optional[int] = ..., queue_ns: _Optional[int] = ..., compute_ns: _Optional[int] = ...) -> None: ...

class Fidelity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class DigestAlgorithm(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Adjustment(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class ModelState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
