package plan

import (
	"maps"
	"slices"
)

// Where says what a step acts upon.
type Where string

// The places of steps. The zero value is none of them.
const (
	Directory Where = "directory" // the operator directory on the control machine; such a step names no host
	Machine   Where = "machine"   // one host, over SSH
	Cluster   Where = "cluster"   // etcd, through the API of the member that the step names
	Node      Where = "node"      // the host of a balancer's node, over SSH
)

// Traits are what the parts of clusterup need to know of a kind of step, beside how it is done and what effect it has.
type Traits struct {
	// Mark is how a plan shows it: '+' makes something, '~' changes what is there, '-' removes or ends something, '!'
	// is noticed by members that run, or by what runs on a node, '…' waits.
	Mark rune
	// Where it happens.
	Where Where
	// Long steps wait or move a lot, and are cut off when the run is to stop. The others take moments, and are
	// finished.
	Long bool
	// Starts says that the member's process is started by it.
	Starts bool
	// Serves says that the step ends when the member serves. If it does not end, the member's own words tell why.
	Serves bool
	// All says that it asks all members that are seen, and not only the one that it names.
	All bool
	// Disturbs says that members which run notice it. In a plan to converge it has its stage to itself, with only the
	// steps that prepare it on the same host.
	Disturbs bool
	// Rotates says that a rotation of CAs has such steps: of the CA that the step names, or of any where it names none.
	Rotates bool
	// Relists says that the list of revoked certificates of the CA that the step names is to be signed anew after it; of
	// the client CA where it names none.
	Relists bool
}

// kinds has one row for each kind of step. A new kind needs, beside its row: a rule that wants it, its effect in
// SimulateStep, a doer in package apply, and a line in docs/json.md. Tests walk the table and find what is missing.
var kinds = map[Kind]Traits{
	CreateCA:     {Mark: '+', Where: Directory, Rotates: true, Relists: true},
	RetireCA:     {Mark: '-', Where: Directory, Rotates: true, Relists: true},
	HoldRotation: {Mark: '~', Where: Directory, Rotates: true},
	RevokeClient: {Mark: '-', Where: Directory, Relists: true},
	RevokeLeaf:   {Mark: '-', Where: Directory, Relists: true},
	ListRevoked:  {Mark: '~', Where: Directory, Rotates: true},
	PinRelease:   {Mark: '+', Where: Directory},

	CreateTokenKey: {Mark: '+', Where: Directory},

	CreateUser:     {Mark: '+', Where: Machine, Long: true},
	MakeDirs:       {Mark: '+', Where: Machine},
	InstallRelease: {Mark: '+', Where: Machine, Long: true},
	FixModes:       {Mark: '~', Where: Machine},
	WriteTrust:     {Mark: '+', Where: Machine, Rotates: true},
	WriteTokenKey:  {Mark: '+', Where: Machine},
	IssueLeaf:      {Mark: '+', Where: Machine, Rotates: true},
	WriteUnit:      {Mark: '+', Where: Machine, Rotates: true},
	ReloadUnits:    {Mark: '~', Where: Machine},
	EnableUnit:     {Mark: '~', Where: Machine},
	StartMember:    {Mark: '+', Where: Machine, Long: true, Starts: true, Serves: true},
	RestartMember:  {Mark: '!', Where: Machine, Long: true, Starts: true, Serves: true, Disturbs: true, Rotates: true},
	RecordBirth:    {Mark: '+', Where: Machine},
	PruneReleases:  {Mark: '-', Where: Machine, Long: true},
	PruneTrust:     {Mark: '-', Where: Machine, Rotates: true},

	MoveLeader:        {Mark: '!', Where: Cluster, Disturbs: true, Rotates: true},
	SaveSnapshot:      {Mark: '+', Where: Cluster, Long: true},
	EnableDowngrade:   {Mark: '!', Where: Cluster, Disturbs: true},
	CancelDowngrade:   {Mark: '!', Where: Cluster, Disturbs: true},
	UpdateMember:      {Mark: '~', Where: Cluster, Long: true},
	AddLearner:        {Mark: '!', Where: Cluster, Long: true, Disturbs: true},
	PromoteMember:     {Mark: '!', Where: Cluster, Long: true, Disturbs: true},
	RemoveMember:      {Mark: '-', Where: Cluster, Long: true, Disturbs: true},
	Defragment:        {Mark: '!', Where: Cluster, Long: true, Serves: true, Disturbs: true},
	Compact:           {Mark: '-', Where: Cluster, Long: true, Disturbs: true},
	DisarmAlarm:       {Mark: '~', Where: Cluster},
	PutRole:           {Mark: '~', Where: Cluster},
	PutUser:           {Mark: '~', Where: Cluster},
	SetPassword:       {Mark: '~', Where: Cluster},
	DropRole:          {Mark: '-', Where: Cluster},
	DropUser:          {Mark: '-', Where: Cluster},
	EnableAuth:        {Mark: '!', Where: Cluster, Disturbs: true, All: true},
	DisableAuth:       {Mark: '!', Where: Cluster, Disturbs: true, All: true},
	PutServers:        {Mark: '~', Where: Cluster},
	AwaitLearner:      {Mark: '…', Where: Cluster, Long: true, Serves: true, All: true},
	AwaitMember:       {Mark: '…', Where: Cluster, Long: true, Serves: true},
	AwaitRaftSnapshot: {Mark: '…', Where: Cluster, Long: true},
	AwaitVersion:      {Mark: '…', Where: Cluster, Long: true, All: true},
	AwaitLeader:       {Mark: '…', Where: Cluster, Long: true, All: true},

	InstallPackages: {Mark: '+', Where: Node, Long: true},
	PrepareService:  {Mark: '+', Where: Node, Long: true},
	PlaceProgram:    {Mark: '+', Where: Node, Long: true},
	IssueClient:     {Mark: '+', Where: Node},
	WriteService:    {Mark: '+', Where: Node},
	StartService:    {Mark: '+', Where: Node, Long: true},
	RestartService:  {Mark: '!', Where: Node, Long: true},
	ReloadService:   {Mark: '!', Where: Node, Long: true},
	RemoveService:   {Mark: '-', Where: Node, Long: true},

	MarkRestore:   {Mark: '+', Where: Machine},
	SalvageMember: {Mark: '+', Where: Machine, Long: true},
	RestoreData:   {Mark: '+', Where: Machine, Long: true},
	UnmarkRestore: {Mark: '-', Where: Machine},

	StopMember:  {Mark: '-', Where: Machine, Long: true, Disturbs: true},
	MoveAside:   {Mark: '-', Where: Machine},
	PurgeData:   {Mark: '-', Where: Machine},
	RemoveFiles: {Mark: '-', Where: Machine},
}

// Traits of a kind; the zero value for one that is not known.
func (k Kind) Traits() Traits { return kinds[k] }

// Kinds are all kinds of steps, sorted by name.
func Kinds() []Kind { return slices.Sorted(maps.Keys(kinds)) }
