package oss

import (
	"encoding/json"
	"strings"
)

// Trigger is a native trigger on the bucket: it tells Function Compute of the
// objects that are created below a prefix.
type Trigger struct {
	// Prefix is what the keys begin with of which it tells.
	Prefix string

	// Deliver takes one event and must not block: OSS does not wait for whom it
	// tells.
	Deliver func(event []byte)
}

// SetTrigger configures the trigger of the server's buckets; nil takes it away.
// It holds for what is stored from now on.
func (s *Server) SetTrigger(t *Trigger) { s.trigger.Store(t) }

// triggering are the operations that make an object of an upload. Copies and
// symlinks are events of other names, which the trigger is not configured with.
var triggering = map[string]bool{"PutObject": true, "PostObject": true, "CompleteMultipartUpload": true}

// tell tells the trigger of an object that was just stored. It comes before the
// callback, as it may with OSS, where the two know nothing of each other.
func (c *call) tell(o *object, cb *callback) {
	t := c.s.trigger.Load()
	if t == nil || !triggering[c.operation] || !strings.HasPrefix(o.Key, t.Prefix) {
		return
	}
	event, err := json.Marshal(c.storedEvent(o, cb))
	if err != nil {
		c.s.cfg.Log.Error("oss stand-in: event not sent", "requestId", c.requestID, "err", err.Error())
		return
	}
	t.Deliver(event)
}

// storedEvent is the event of a stored object ("Event notification", OSS user
// guide), one to each call of the function:
//
//	{"events": [{"eventName": "ObjectCreated:PutObject", "eventSource": "acs:oss", "eventTime": "2019-11-30T12:57:09.000Z",
//	  "eventVersion": "1.0", "oss": {"bucket": {"arn", "name", "ownerIdentity", "virtualBucket"},
//	  "object": {"deltaSize", "eTag", "key", "size", "objectMeta": {"mimeType"}}, "ossSchemaVersion": "1.0", "ruleId",
//	  "xVars": {"x:name": "value"}}, "region", "requestParameters": {"sourceIPAddress"},
//	  "responseElements": {"requestId"}, "userIdentity": {"principalId"}}]}
//
// xVars are the custom variables of the upload's callback, and absent without.
func (c *call) storedEvent(o *object, cb *callback) any {
	type fields map[string]any
	key := o.Key
	// unconfirmed (trigger.encoded-keys): published events hold only keys that are
	// the same either way.
	if c.assumes("trigger.encoded-keys", "encoded") {
		key = percentEncode(key)
	}
	stored := fields{
		"bucket": fields{
			"arn": "acs:oss:" + c.s.cfg.Region + ":" + accountID + ":" + c.target.bucket, "name": c.target.bucket,
			"ownerIdentity": accountID, "virtualBucket": "",
		},
		"object": fields{
			"deltaSize": o.Size, "eTag": o.ETag, "key": key, "size": o.Size,
			"objectMeta": fields{"mimeType": o.Headers["Content-Type"]},
		},
		"ossSchemaVersion": "1.0", "ruleId": "ossupload",
	}
	if cb != nil && len(cb.vars) > 0 {
		stored["xVars"] = cb.vars
	}
	return fields{"events": []fields{{
		"eventName": "ObjectCreated:" + c.operation, "eventSource": "acs:oss", "eventVersion": "1.0",
		"eventTime": c.s.cfg.Now().UTC().Format(xmlTimeLayout),
		"oss":       stored, "region": c.s.cfg.Region,
		"requestParameters": fields{"sourceIPAddress": c.clientIP()},
		"responseElements":  fields{"requestId": c.requestID},
		"userIdentity":      fields{"principalId": c.principal()},
	}}}
}

// principal is whose signature was accepted.
func (c *call) principal() string {
	if c.account == nil {
		return ""
	}
	return c.account.AccessKeyID
}
