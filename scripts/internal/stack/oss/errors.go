package oss

import (
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"strconv"
)

// code is the Code element of an OSS error, spelt as OSS spells it.
type code string

const (
	codeAccessDenied            code = "AccessDenied"
	codeAccessForbidden         code = "AccessForbidden"
	codeBucketNotEmpty          code = "BucketNotEmpty"
	codeCallbackFailed          code = "CallbackFailed"
	codeEntityTooLarge          code = "EntityTooLarge"
	codeEntityTooSmall          code = "EntityTooSmall"
	codeFieldItemTooLong        code = "FieldItemTooLong"
	codeFileAlreadyExists       code = "FileAlreadyExists"
	codeIncompleteBody          code = "IncompleteBody"
	codeIncorrectNumberOfFiles  code = "IncorrectNumberOfFilesInPOSTRequest"
	codeInternalError           code = "InternalError"
	codeInvalidAccessKeyID      code = "InvalidAccessKeyId"
	codeInvalidArgument         code = "InvalidArgument"
	codeInvalidBucketName       code = "InvalidBucketName"
	codeInvalidDigest           code = "InvalidDigest"
	codeInvalidObjectName       code = "InvalidObjectName"
	codeInvalidPart             code = "InvalidPart"
	codeInvalidPartOrder        code = "InvalidPartOrder"
	codeInvalidPolicyDocument   code = "InvalidPolicyDocument"
	codeInvalidRange            code = "InvalidRange"
	codeInvalidRequest          code = "InvalidRequest"
	codeInvalidSecurityToken    code = "InvalidSecurityToken"
	codeInvalidTag              code = "InvalidTag"
	codeInvalidTargetType       code = "InvalidTargetType"
	codeMalformedPOSTRequest    code = "MalformedPOSTRequest"
	codeMalformedXML            code = "MalformedXML"
	codeMetadataTooLarge        code = "MetadataTooLarge"
	codeMethodNotAllowed        code = "MethodNotAllowed"
	codeMissingArgument         code = "MissingArgument"
	codeMissingContentLength    code = "MissingContentLength"
	codeNoSuchBucket            code = "NoSuchBucket"
	codeNoSuchCORSConfiguration code = "NoSuchCORSConfiguration"
	codeNoSuchKey               code = "NoSuchKey"
	codeNoSuchLifecycle         code = "NoSuchLifecycle"
	codeNoSuchOverwriteConfig   code = "NoSuchOverwriteConfiguration"
	codeNoSuchUpload            code = "NoSuchUpload"
	codeNoSuchVersion           code = "NoSuchVersion"
	codeNotImplemented          code = "NotImplemented"
	codeNotModified             code = "NotModified"
	codeNotSymlink              code = "NotSymlink"
	codePreconditionFailed      code = "PreconditionFailed"
	codeRequestIsNotMultipart   code = "RequestIsNotMultiPartContent"
	codeRequestTimeTooSkewed    code = "RequestTimeTooSkewed"
	codeSecurityTokenExpired    code = "SecurityTokenExpired"
	codeServiceUnavailable      code = "ServiceUnavailable"
	codeSignatureDoesNotMatch   code = "SignatureDoesNotMatch"
	codeSymlinkTargetNotExist   code = "SymlinkTargetNotExist"
	codeTokenDoesNotMatchAccess code = "AccessKeyIdAndSecurityTokenNotMatch"
)

// apiError is an OSS error document:
//
//	<Error>
//	  <Code>NoSuchKey</Code>
//	  <Message>The specified key does not exist.</Message>
//	  <RequestId>5C3D9175B6FC201293AD4890</RequestId>
//	  <HostId>bucket.oss-cn-hangzhou.aliyuncs.com</HostId>
//	  <Key>missing</Key>
//	  <EC>0026-00000001</EC>
//	  <RecommendDoc>https://api.aliyun.com/troubleshoot?q=0026-00000001</RecommendDoc>
//	</Error>
//
// The fields between HostId and EC depend on the code. EC is left out where
// no published code is known; the real service always has one.
type apiError struct {
	XMLName   xml.Name `xml:"Error"`
	Status    int      `xml:"-"`
	Code      code
	Message   string
	RequestID string `xml:"RequestId"`
	HostID    string `xml:"HostId"`

	ArgumentName      string `xml:",omitempty"`
	ArgumentValue     string `xml:",omitempty"`
	BucketName        string `xml:",omitempty"`
	Key               string `xml:",omitempty"`
	UploadID          string `xml:"UploadId,omitempty"`
	PartNumber        string `xml:",omitempty"`
	Method            string `xml:",omitempty"`
	ResourceType      string `xml:",omitempty"`
	Expires           string `xml:",omitempty"`
	ServerTime        string `xml:",omitempty"`
	OSSAccessKeyID    string `xml:"OSSAccessKeyId,omitempty"`
	SignatureProvided string `xml:",omitempty"`
	StringToSign      string `xml:",omitempty"`
	CanonicalRequest  string `xml:",omitempty"`
	AuthAction        string `xml:"AccessDeniedDetail>AuthAction,omitempty"`

	EC           string `xml:",omitempty"`
	RecommendDoc string `xml:",omitempty"`
}

func (e *apiError) Error() string { return string(e.Code) + ": " + e.Message }

func errorf(status int, c code, ec, message string) *apiError {
	return &apiError{Status: status, Code: c, EC: ec, Message: message}
}

// invalidArgument is the 400 of most bad parameters.
func invalidArgument(name, value, ec, message string) *apiError {
	e := errorf(http.StatusBadRequest, codeInvalidArgument, ec, message)
	e.ArgumentName, e.ArgumentValue = name, value
	return e
}

func errInternal() *apiError {
	return errorf(http.StatusInternalServerError, codeInternalError, "",
		"We encountered an internal error. Please try again.")
}

func errServiceUnavailable() *apiError {
	return errorf(http.StatusServiceUnavailable, codeServiceUnavailable, "",
		"Please reduce your request rate.")
}

func errNotImplemented(what string) *apiError {
	return errorf(http.StatusNotImplemented, codeNotImplemented, "",
		"The local stand-in does not implement "+what+".")
}

func errNoSuchBucket(bucket string) *apiError {
	e := errorf(http.StatusNotFound, codeNoSuchBucket, "0015-00000101", "The specified bucket does not exist.")
	e.BucketName = bucket
	return e
}

func errNoSuchKey(key string) *apiError {
	e := errorf(http.StatusNotFound, codeNoSuchKey, "0026-00000001", "The specified key does not exist.")
	e.Key = key
	return e
}

// errNoSuchUpload takes the EC because OSS has one for each operation.
func errNoSuchUpload(uploadID, ec string) *apiError {
	e := errorf(http.StatusNotFound, codeNoSuchUpload, ec,
		"The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.")
	e.UploadID = uploadID
	return e
}

func errFileAlreadyExists() *apiError {
	return errorf(http.StatusConflict, codeFileAlreadyExists, "",
		"The object you specified already exists and can not be overwritten.")
}

func errMalformedXML(ec string) *apiError {
	return errorf(http.StatusBadRequest, codeMalformedXML, ec,
		"The XML you provided was not well-formed or did not validate against our published schema.")
}

// writeError answers with e. A HEAD answer has no body, so the document
// travels as base64 in x-oss-err.
func (c *call) writeError(e *apiError) {
	c.code = e.Code
	e.RequestID, e.HostID = c.requestID, c.r.Host
	header := c.w.Header()
	if e.Status == http.StatusNotModified {
		c.w.WriteHeader(e.Status) // never with a body
		return
	}
	if e.EC != "" {
		e.RecommendDoc = "https://api.aliyun.com/troubleshoot?q=" + e.EC
		header.Set("x-oss-ec", e.EC)
	}
	if e.Status == http.StatusMethodNotAllowed && header.Get("Allow") == "" {
		header.Set("Allow", "GET DELETE HEAD PUT POST OPTIONS")
	}
	body, err := xml.MarshalIndent(e, "", "  ")
	if err != nil {
		// Marshalling strings cannot fail.
		panic("oss: " + err.Error())
	}
	body = append([]byte(xml.Header), append(body, '\n')...)
	header.Set("Content-Type", "application/xml")
	if c.r.Method == http.MethodHead {
		header.Set("x-oss-err", base64.StdEncoding.EncodeToString(body))
		c.w.WriteHeader(e.Status)
		return
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(e.Status)
	c.w.Write(body)
}
