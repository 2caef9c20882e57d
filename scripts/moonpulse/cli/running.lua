--- The runs that go on and have a feed (moonpulse run --events): which there are, and talking with one.
local cjson = require "cjson.safe"
local core = require "moonpulse.core"
local lfs = require "lfs"
local lines = require "moonpulse.run.feed_lines"
local places = require "moonpulse.run.feed_place"
local refusals = require "moonpulse.text.refusal"

local M = {}

local patience_s = 2 -- for the first line: the loop of a run turns more often, unless its script is stuck

---@class moonpulse.Running a run that goes on, connected to
---@field path string of its socket
---@field hello table? its first line; nil: it has not said it
---@field refuses string? why it cannot be followed, though it can be stopped
---@field refused_code "limit"|"fault"|nil of that
---@field run string? its name, where it has said that much
---@field folder string? likewise
---@field process integer
---@field joined moonpulse.core.Joined
local Running = {}
Running.__index = Running

local how = "a run is followed if it was started with --events (moonpulse run ... --events)"

--- The next line, as it is and as data. Raises where it is none of a feed's.
---@param seconds number? how long to wait; nil: until it comes
---@return table? said
---@return string why, or the line
function Running:next(seconds)
  local line, why = self.joined:line(seconds)
  if not line then
    return nil, why
  end
  local said = cjson.decode(line)
  if type(said) ~= "table" or type(said.event) ~= "string" then
    refusals.raise("fault", "%s: what answers there is no run: it says %q", self.path, line:sub(1, 60))
  end
  return said, line
end

--- Ask something.
---@param asked table
---@return boolean sent
function Running:ask(asked)
  return self.joined:send((cjson.encode(asked)))
end

--- Let go of it; the run goes on.
function Running:close()
  self.joined:close()
end

Running.__close = Running.close

local function text_or_nil(value)
  return type(value) == "string" and value or nil
end

--- It does not take this reader in: it can be stopped all the same, and by its name where it says that.
---@param said table its line
function Running:take_refusal(said)
  self.refuses, self.refused_code = text_or_nil(said.why) or "it does not say why", "limit"
  self.run, self.folder = text_or_nil(said.run) or self.run, text_or_nil(said.folder) or self.folder
end

--- Read its first line. Raises where what answers is no run.
local function greet(self, seconds)
  local hello, line = self:next(seconds or patience_s)
  if hello and hello.event == "refused" then
    self:take_refusal(hello)
    return self
  elseif hello and (hello.event ~= "hello" or hello.format ~= "moonpulse feed") then
    refusals.raise("fault", "%s: what answers there is no run: it says %q", self.path, line:sub(1, 60))
  elseif hello and hello.version ~= lines.version then
    self:take_refusal(hello)
    self.refuses, self.refused_code = ("this Moonpulse reads version %d of a feed: use the one that runs "
      .. "there"):format(lines.version), "fault"
    return self
  elseif not hello and line ~= "late" then
    return nil
  end
  self.hello, self.line = hello, line
  return self
end

--- Connect to the run at a socket. Raises where what answers there is none.
---@param path string
---@param seconds number? how long to wait for its first line; 2
---@return moonpulse.Running? running
---@return string? message why not
---@return string? code "gone": nobody listens there
function M.at(path, seconds)
  local joined, message, code = core.feed_join(path)
  if not joined then
    return nil, message, code
  end
  local process, own = joined:peer()
  local self = setmetatable({ path = path, joined = joined, process = process }, Running)
  if not own then
    self:close()
    return nil, ("%s: the run is another user's"):format(path), "other"
  end
  local ok, greeted = pcall(greet, self, seconds)
  if not ok or not greeted then
    self:close()
    if not ok then
      error(greeted, 0)
    end
    return nil, path .. ": its run is ending", "gone"
  end
  return self
end

--- All that go on in the user's runtime folder. Sockets whose run was killed are passed over, and what is no
--- run.
---@param seconds number? as for M.at
---@return moonpulse.Running[] each to be closed
---@return string[] messages of what was no run
function M.all(seconds)
  local list, messages = {}, {}
  for _, path in ipairs(places.all()) do
    local ok, found, message, code = pcall(M.at, path, seconds)
    if ok then
      list[#list + 1] = found
      messages[#messages + 1] = not found and code ~= "gone" and message or nil
    else
      messages[#messages + 1] = type(found) == "table" and found.message or tostring(found)
    end
  end
  return list, messages
end

--- What a run is called, for people.
---@return string
function Running:name()
  return self.hello and self.hello.run or self.run or self.path
end

--- Is this its folder? Runs of one second may have the same name.
---@param path string
---@return boolean
function Running:is_in(path)
  local folder = self.hello and self.hello.folder or self.folder
  local own, other = folder and lfs.attributes(folder), lfs.attributes(path)
  return own ~= nil and other ~= nil and own.ino == other.ino and own.dev == other.dev
end

--- Wait until it is over, of a run that tells this reader nothing: its socket or its process is gone then.
---@param seconds number at most
---@return boolean over
function Running:await_end(seconds)
  local until_ns = core.real_ns() + math.floor(seconds * 1e9)
  local file = lfs.symlinkattributes(self.path, "ino")
  while lfs.symlinkattributes(self.path, "ino") == file and file
    and lfs.attributes("/proc/" .. self.process, "mode") do
    if core.real_ns() >= until_ns then
      return false
    end
    core.wait(0.02)
  end
  return true
end

--- Close all but one.
local function keep(list, kept)
  for _, running in ipairs(list) do
    if running ~= kept then
      running:close()
    end
  end
  return kept
end

--- The one that goes on, where none was named.
local function only(seconds)
  local list = M.all(seconds)
  if #list == 1 then
    return list[1]
  end
  local names = {}
  for i, running in ipairs(list) do
    names[i] = running:name()
  end
  keep(list)
  if #list == 0 then
    refusals.raise("usage", "no run goes on in %s: %s; one whose socket is elsewhere is named by its path",
      places.folder(), how)
  end
  refusals.raise("usage", "%d runs go on: name one of them: %s", #list, table.concat(names, ", "))
end

--- At the path of a socket.
local function at_path(path, seconds)
  local running, message, code = M.at(path, seconds)
  if running then
    return running
  elseif code == "gone" and lfs.symlinkattributes(path, "mode") == "socket" then
    refusals.raise("usage", "%s: nobody listens there: its run has ended or was killed (moonpulse runs tells "
      .. "what became of it)", path)
  elseif code == "gone" then
    refusals.raise("usage", "there is no socket %s: %s", path, how)
  end
  refusals.raise(code == "other" and "limit" or "usage", "%s", message)
end

--- The run that was named: by its socket, its folder or its name; without a name the one that goes on. Leaves
--- with exit status 2 where there is none.
---@param named string?
---@param seconds number? as for M.at
---@return moonpulse.Running to be closed
function M.find(named, seconds)
  if not named then
    return only(seconds)
  end
  local is_folder = lfs.attributes(named, "mode") == "directory"
  if not is_folder and (named:find("/", 1, true) or lfs.symlinkattributes(places.path(named), "mode")) then
    return at_path(places.path(named), seconds)
  end
  local list, found = M.all(seconds), {}
  for _, running in ipairs(list) do
    local is_it = is_folder and running:is_in(named) or not is_folder and running:name() == named
    found[#found + 1] = is_it and running or nil
  end
  if #found > 1 then
    local paths = {}
    for i, running in ipairs(found) do
      paths[i] = running.path
    end
    keep(list)
    refusals.raise("usage", "%d runs are called %s: name one by its socket: %s", #found, named,
      table.concat(paths, ", "))
  end
  return keep(list, found[1]) or refusals.raise("usage", "%s does not go on, or not with --events in %s: %s",
    named, places.folder(), how)
end

return M
