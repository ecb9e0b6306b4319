package sts

import (
	"fmt"
	"net/http"
)

// apiError is a refusal as a client sees it.
type apiError struct {
	status        int
	code, message string
}

var (
	errMethod           = &apiError{http.StatusMethodNotAllowed, "UnsupportedHTTPMethod", "This http method is not supported."}
	errVersion          = &apiError{http.StatusBadRequest, "InvalidVersion", "Specified parameter Version is not valid."}
	errAction           = &apiError{http.StatusNotFound, "InvalidAction.NotFound", "Specified api is not found, please check your url and method."}
	errSignatureMethod  = &apiError{http.StatusBadRequest, "InvalidSignatureMethod", "Specified signature method is not valid."}
	errTimestampFormat  = &apiError{http.StatusBadRequest, "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted."}
	errTimestampExpired = &apiError{http.StatusBadRequest, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired."}
	errNonceUsed        = &apiError{http.StatusBadRequest, "SignatureNonceUsed", "Specified signature nonce was used already."}
	errAccessKey        = &apiError{http.StatusNotFound, "InvalidAccessKeyId.NotFound", "Specified access key is not found."}
	errTokenMissing     = &apiError{http.StatusBadRequest, "MissingSecurityToken", "SecurityToken is mandatory for this action."}
	errTokenMismatch    = &apiError{http.StatusBadRequest, "InvalidSecurityToken.MismatchWithAccessKey", "Specified SecurityToken mismatch with the AccessKey."}
	errTokenExpired     = &apiError{http.StatusBadRequest, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired."}
	errSignature        = &apiError{http.StatusBadRequest, "SignatureDoesNotMatch", "Specified signature is not matched with our calculation."}

	errRoleARN       = invalid("RoleArn", "The parameter RoleArn is wrongly formed.")
	errSessionName   = invalid("RoleSessionName", "The parameter RoleSessionName is wrongly formed.")
	errDuration      = invalid("DurationSeconds", "The Min/Max value of DurationSeconds is 15min/the role's MaxSessionDuration.")
	errPolicyGrammar = invalid("PolicyGrammar", "The parameter Policy has not passed grammar check.")
	errPolicySize    = invalid("PolicySize", "The parameter Policy has to be 1 to 2048 characters long.")

	errNoPermission = &apiError{http.StatusForbidden, "NoPermission", "You are not authorized to do this action. You should be authorized by RAM."}
	errNoRole       = &apiError{http.StatusNotFound, "EntityNotExist.Role", "The specified Role not exists."}

	errInternal    = &apiError{http.StatusInternalServerError, "InternalError", "The request processing has failed due to some unknown error, exception or failure."}
	errUnavailable = &apiError{http.StatusServiceUnavailable, "ServiceUnavailable", "The request has failed due to a temporary failure of the server."}
)

func invalid(name, message string) *apiError {
	return &apiError{http.StatusBadRequest, "InvalidParameter." + name, message}
}

func missing(name string) *apiError {
	return &apiError{http.StatusBadRequest, "Missing" + name, fmt.Sprintf("%s is mandatory for this action.", name)}
}
