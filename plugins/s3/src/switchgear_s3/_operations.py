"""Every operation of S3: its name, its class, and whether doing it twice is as good as once."""

from __future__ import annotations

import re
from functools import cache

from switchgear.spi import Operation, OperationClass

#: The operations of the S3 API, by class. A test compares this with the installed SDK's own model of the service; for
#: one that is newer than this list, the verb decides.
_NAMES: dict[OperationClass, str] = {
    "read": """
        GetObject GetObjectAcl GetObjectAnnotation GetObjectAttributes GetObjectLegalHold GetObjectRetention
        GetObjectTagging GetObjectTorrent HeadBucket HeadObject ListBuckets ListDirectoryBuckets ListMultipartUploads
        ListObjectAnnotations ListObjectVersions ListObjects ListObjectsV2 ListParts""",
    "write": """
        AbortMultipartUpload CreateMultipartUpload DeleteObject DeleteObjectAnnotation DeleteObjectTagging
        DeleteObjects PutObject PutObjectAcl PutObjectAnnotation PutObjectLegalHold PutObjectRetention
        PutObjectTagging RenameObject RestoreObject UpdateObjectEncryption UploadPart""",
    # The server works on whole objects before it answers: it takes as long as they are large.
    "stream": "CompleteMultipartUpload CopyObject SelectObjectContent UploadPartCopy WriteGetObjectResponse",
    "admin": """
        CreateBucket CreateBucketMetadataConfiguration CreateBucketMetadataTableConfiguration CreateSession DeleteBucket
        DeleteBucketAnalyticsConfiguration DeleteBucketCors DeleteBucketEncryption
        DeleteBucketIntelligentTieringConfiguration DeleteBucketInventoryConfiguration DeleteBucketLifecycle
        DeleteBucketMetadataConfiguration DeleteBucketMetadataTableConfiguration DeleteBucketMetricsConfiguration
        DeleteBucketOwnershipControls DeleteBucketPolicy DeleteBucketReplication DeleteBucketTagging DeleteBucketWebsite
        DeletePublicAccessBlock GetBucketAbac GetBucketAccelerateConfiguration GetBucketAcl
        GetBucketAnalyticsConfiguration GetBucketCors GetBucketEncryption GetBucketIntelligentTieringConfiguration
        GetBucketInventoryConfiguration GetBucketLifecycle GetBucketLifecycleConfiguration GetBucketLocation
        GetBucketLogging GetBucketMetadataConfiguration GetBucketMetadataTableConfiguration
        GetBucketMetricsConfiguration GetBucketNotification GetBucketNotificationConfiguration
        GetBucketOwnershipControls GetBucketPolicy GetBucketPolicyStatus GetBucketReplication GetBucketRequestPayment
        GetBucketTagging GetBucketVersioning GetBucketWebsite GetObjectLockConfiguration GetPublicAccessBlock
        ListBucketAnalyticsConfigurations ListBucketIntelligentTieringConfigurations ListBucketInventoryConfigurations
        ListBucketMetricsConfigurations PutBucketAbac PutBucketAccelerateConfiguration PutBucketAcl
        PutBucketAnalyticsConfiguration PutBucketCors PutBucketEncryption PutBucketIntelligentTieringConfiguration
        PutBucketInventoryConfiguration PutBucketLifecycle PutBucketLifecycleConfiguration PutBucketLogging
        PutBucketMetricsConfiguration PutBucketNotification PutBucketNotificationConfiguration
        PutBucketOwnershipControls PutBucketPolicy PutBucketReplication PutBucketRequestPayment PutBucketTagging
        PutBucketVersioning PutBucketWebsite PutObjectLockConfiguration PutPublicAccessBlock
        UpdateBucketMetadataAnnotationTableConfiguration UpdateBucketMetadataInventoryTableConfiguration
        UpdateBucketMetadataJournalTableConfiguration""",
}
_CLASSES: dict[str, OperationClass] = {name: klass for klass, names in _NAMES.items() for name in names.split()}
_READS = ("Get", "Head", "List")

#: Twice makes a second upload, fails where the first succeeded, or is billed twice.
_ONCE = ("Complete", "Create", "Rename", "Restore", "Write")

#: Never refused: it cleans up after an upload that failed, perhaps because of the very fault that opened the breaker.
#: Refused, it would leave parts behind that are paid for, and aioboto3's upload would leak its tasks.
CLEAN_UP = "AbortMultipartUpload"

#: An upload of more bytes than this takes as long as it is large, and says nothing about the server by its duration.
LARGE = 1 << 20


@cache  # a few hundred entries at most: the names come from the SDK's model
def operation(api_name: str, *, large: bool = False) -> Operation:
    """The operation that S3's API calls `api_name` ("GetObject"); `large` if it sends a large body."""
    klass: OperationClass = _CLASSES.get(api_name) or ("read" if api_name.startswith(_READS) else "write")
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", api_name).lower()
    return Operation(
        name=f"s3.{name}",
        klass="stream" if large and klass == "write" else klass,
        idempotent=not api_name.startswith(_ONCE),
    )


OPERATIONS = tuple(map(operation, sorted(_CLASSES)))
