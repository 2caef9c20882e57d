---@meta _
--- Feeds in moonpulse.core (bindings/feed.c, feed_join.c, datagram.c): what a run tells other programs, over
--- a Unix socket or as datagrams. How they fail: see core.lua.

local core = {}

---@class moonpulse.core.Feed userdata moonpulse.feed
local Feed = {}

---@class moonpulse.core.Joined userdata moonpulse.joined
local Joined = {}

---@class moonpulse.core.Datagram userdata moonpulse.datagram
local Datagram = {}

--- Send UDP datagrams to a numeric address (bindings/datagram.c).
---@param host string "127.0.0.1", "::1"
---@param port integer
---@return moonpulse.core.Datagram?
---@return string? message
---@return string? code
function core.datagram(host, port) end

--- Never waits. That nobody listens is no failure.
---@param bytes string
---@return boolean sent false: the system did not take it
function Datagram:send(bytes) end

--- Also at the end of its scope.
function Datagram:close() end

--- Listen for programs that want to know what happens; run/feed.lua says what they are told.
---@param path string of the socket; one at which nobody listens any more is replaced
---@return moonpulse.core.Feed?
---@return string? message
---@return string? code "busy": something else is there
function core.feed(path) end

--- Connect to a run's feed. What comes from it is waited for, and nothing else goes on meanwhile.
---@param path string
---@return moonpulse.core.Joined?
---@return string? message
---@return string? code "gone": nobody listens there; "busy": for 2 s it took nobody in
function core.feed_join(path) end

--- Take in who comes.
---@param on_event fun(id: integer, process: integer, line: string?): string?, boolean? line nil: a program
---   has connected, and what is returned is its first line; else it has asked that, and gets the answer; true
---   as well: it is let go of then. Must not raise
---@param full string the only line of who finds 32 readers there
function Feed:serve(on_event, full) end

--- Tell all readers; who has not read what was told long ago is let go of.
---@param line string without its newline
---@return boolean told false: it is too long
function Feed:tell(line) end

--- How many readers there are, and were.
---@return integer readers that are there
---@return integer came so far
---@return integer dropped they did not read
---@return integer refused
---@return integer first the number of the oldest line that a new one gets, from 1
function Feed:counts() end

--- Let them read the rest, at the run's end: the loop stands still meanwhile.
---@param patience number seconds while none reads
---@param most number seconds in all
function Feed:finish(patience, most) end

--- Close it; its file goes.
function Feed:close() end

--- Who is at the other end.
---@return integer process that listens
---@return boolean own it is this user's
function Joined:peer() end

--- Stop the run as a signal does, also while its script is busy.
---@return boolean sent false: that cannot be, or what listens is no moonpulse program
function Joined:interrupt() end

--- Ask something.
---@param line string without its newline
---@return boolean sent false: the other side is gone
function Joined:send(line) end

--- The next line; without seconds it is waited for as long as it takes.
---@param seconds number?
---@return string? line nil: none
---@return string? why "ended", "late" or "too long"
function Joined:line(seconds) end

--- Let go of it.
function Joined:close() end

return { core = core, Feed = Feed, Joined = Joined, Datagram = Datagram }
