package redact

import (
	"strings"
	"sync"
	"unicode"
)

// maxWords is how many words a name may have that is kept.
const maxWords = 6

// words are what names are made of that stay: of the events of gateways, triggers
// and timers, of the context of Function Compute, of the headers that HTTP, browsers
// and Alibaba Cloud send, and of what our routes take. A new member of the platform
// most likely is made of them, too, and a secret is not. No start pays for them.
var words = sync.OnceValue(func() map[string]bool {
	m := map[string]bool{}
	for word := range strings.FieldsSeq(`
	accept access additional account accountid accounts acs address age agent alb algorithm ali alibaba aliyun aliyunaccountid aliyuneventbusname
	aliyunoriginalaccountid aliyunpublishaddr aliyunpublishtime aliyunregionid amzn api apigateway app application arn as async attributes
	auth authorization authorizer b3 baggage baggages base64 batch body bucket bucketname buckets ca cache caclientip callback caller
	carequestid cdn certificate cf ch channel charset checksum city cli client clientip cloud code connecting connection console content
	contenttype context control cookie cookieid cookies copy cors count country crc32 crc64 create created credential credentials custom data
	datacontenttype dataschema date day deadline debug delete deliver delta dest device disable disposition dnt do domain domainname download
	dry duration e eagleeye eips elements enable encoded encoding end endpoint env environment epoch error etag event events expect expire expires
	expiry ext extension extensions fc fetch fields file filename files filter first for forbid format forwarded from full function functions
	gateway geo get group gzip handler hash head header headers host hosts hour http httpmethod https id identity identity ids if image imageinfo in
	index info inline input insecure instance internal invocation invoke invoked ip is jaeger key keys kind kms language last latency least
	length level line link list local location log logs main max md5 media member memory mesh message meta metadata method methods mime
	mimetype min minute mns mobile mode modified multi multipart name names native net network next no none not number numbers object
	objectname objects objectsize offset on op open operation operationname options or origin original oss ots output overwrite owner page
	param parameter parameters params parent part partnumbers parts path pathname payload peer period platform policy port post pragma pre
	prefix presign principal principals priority process project proto protocol proxy pub public put qualifier query queue r ram range rate
	raw rawpath ray read real reason receipt receive received referer referrer region remote replay reqid request requested requester
	requestid requests resource resources response responses result retry role root route routes rpc rpcid rule run runtime s3 safe sampled save
	schema scheme scope sec secret security seen select send sent serial server service session sha1 sha256 signature signed single site size
	slb sls sofa source sourceip span spanid spec specversion stage start state status storage store stored strict string sts style subject
	subscription suffix sum sw8 sweep symlink system table tag tags target task template tenant text time timeout timer timestamp title to
	token total trace traceid traceparent tracestate tracing trailer transfer transform trigger triggers true trust type types u ua uber unit
	unix until update upgrade upload uploadid uploads uploadtoken uri url use user useragent username uuid v1 v2 value values var variables
	vars vary version versions via vif vip virtual vpc vpcid wait warning web webhook websocket when with write www x zone
`) {
		m[word] = true
	}
	return m
})

// separators may stand between the words of a name; a query may have them escaped.
var separators = strings.NewReplacer("-", " ", "_", " ", ".", " ", ":", " ", "[", " ", "]", " ",
	"%5B", " ", "%5b", " ", "%5D", " ", "%5d", " ", "%3A", " ", "%3a", " ")

// knownName reports whether a name consists of known words.
func knownName(name string) bool {
	const longest = 64 // bytes
	if len(name) > longest || charset(name)&(blank|control|beyond) != 0 {
		return false
	}
	count := 0
	for part := range strings.FieldsSeq(separators.Replace(name)) {
		if words()[strings.ToLower(part)] {
			count++
			continue
		}
		for _, word := range camels(part) {
			if !words()[strings.ToLower(word)] {
				return false
			}
			count++
		}
	}
	return count > 0 && count <= maxWords
}

// camels splits "sourceIPAddress" into source, IP and Address.
func camels(s string) []string {
	var parts []string
	from := 0
	letters := []rune(s)
	for i := 1; i < len(letters); i++ {
		begins := unicode.IsUpper(letters[i]) && (!unicode.IsUpper(letters[i-1]) || i+1 < len(letters) && unicode.IsLower(letters[i+1]))
		if begins {
			parts = append(parts, string(letters[from:i]))
			from = i
		}
	}
	return append(parts, string(letters[from:]))
}
