package osscallback

// StringToSign lets the tests assert the step before the signature, so that a
// failure says which step is wrong.
var StringToSign = stringToSign
