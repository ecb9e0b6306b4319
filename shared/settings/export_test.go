package settings

// Names are those that Unknown knows, for tests.
var Names = names
