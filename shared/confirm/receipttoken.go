package confirm

import (
	"fmt"

	"github.com/golang-jwt/jwt/v5"
)

// receiptClaims are the receipt's own fields beside the registered ones.
type receiptClaims struct {
	Receipt
	jwt.RegisteredClaims
}

// receiptToken is the receipt as a JWT (HS256): sub is the subject, jti the
// event id, iat the time of the upload. It states a fact, which does not
// expire, so it has no exp; who takes it should take each jti once.
func receiptToken(secret []byte, r Receipt, subject string) (string, error) {
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, receiptClaims{r, jwt.RegisteredClaims{
		Issuer:   "ossupload",
		Subject:  subject,
		ID:       r.EventID,
		IssuedAt: jwt.NewNumericDate(r.UploadedAt),
	}}).SignedString(secret)
	if err != nil {
		return "", fmt.Errorf("signing receipt: %w", err)
	}
	return token, nil
}
