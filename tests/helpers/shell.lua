--- Moonpulse as other programs see it, for the specs: commands, files, processes in the background.
local core = require "moonpulse.core"
local lfs = require "lfs"

local M = {}

--- The program under test.
M.program = os.getenv("MOONPULSE") or "build/moonpulse"
--- The same for a command that is started in another folder.
M.absolute = M.program:match("^/") and M.program or lfs.currentdir() .. "/" .. M.program

--- Is it a checked program: built with a sanitizer, or under valgrind? Then it is some ten times as slow and
--- takes far more memory.
M.is_slow = M.program:find("sanitize", 1, true) ~= nil
  or (os.getenv "LD_PRELOAD" or ""):find("vgpreload", 1, true) ~= nil

local open_spawn = package.loadlib(M.absolute:match "^(.*)/" .. "/tests/rig/spawn.so", "luaopen_spawn")
local spawn = open_spawn and open_spawn() -- nil: not built, or a program from elsewhere: then a shell does it

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end
M.quote = quote

---@return string? the whole file
function M.read(path)
  local file = io.open(path, "rb")
  if not file then
    return nil
  end
  local text = file:read("a")
  file:close()
  return text
end

function M.write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

--- A folder of its own.
---@return string
function M.folder()
  local random <close> = assert(io.open("/dev/urandom", "rb"))
  local name = random:read(8):gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)
  local path = ("%s/tmp.%s"):format(os.getenv "TMPDIR" or "/tmp", name)
  assert(core.make_folder(path))
  return path
end

--- Remove a file, or a folder with all that is in it, if it is there. Without a program, which takes a
--- hundred times as long, where no program is needed.
function M.remove(path)
  local function remove(each)
    if lfs.symlinkattributes(each, "mode") ~= "directory" then
      return os.remove(each)
    end
    local ok, next_name, list = pcall(lfs.dir, each)
    for name in ok and next_name or function() end, list do
      if name ~= "." and name ~= ".." then
        remove(each .. "/" .. name)
      end
    end
    return lfs.rmdir(each)
  end
  if not remove(path) and lfs.symlinkattributes(path, "mode") then
    os.execute("rm -rf " .. quote(path))
  end
end

--- Copy a folder with all that is in it, or a file: to is not there before. A link stays one.
---@param from string
---@param to string
function M.copy(from, to)
  local attributes = assert(lfs.symlinkattributes(from))
  if attributes.mode == "directory" then
    assert(core.make_folder(to))
    for name in lfs.dir(from) do
      if name ~= "." and name ~= ".." then
        M.copy(from .. "/" .. name, to .. "/" .. name)
      end
    end
  elseif attributes.mode == "link" then
    assert(lfs.link(attributes.target, to, true))
  else
    assert(attributes.mode == "file", from)
    M.write(to, assert(M.read(from)))
  end
end

--- What a command of a test has in its environment: records and their index without --out lie in the test's
--- own folder, and so do sockets, never where the user's are.
local function own(folder)
  return ("export MOONPULSE_RUNS=%s/.records XDG_CACHE_HOME=%s/.cache XDG_RUNTIME_DIR=%s; "):format(
    quote(folder), quote(folder), quote(folder))
end

--- For a command's environment: a time zone in which it is about noon, so that an hour ago is the same day.
---@return string "TZ=..."
function M.midday()
  return ("TZ=NOON%+d"):format(tonumber(os.date("!%H")) - 12) -- hours behind Greenwich
end

--- Run a shell command: exit status, standard output, standard error. 128 + n: ended by signal n.
---@param folder string where the output is kept meanwhile
---@param command string
function M.sh(folder, command)
  local out, err = folder .. "/.out", folder .. "/.err"
  local _, how, code = os.execute(("%s(%s) >%s 2>%s </dev/null"):format(own(folder), command,
    quote(out), quote(err)))
  return how == "signal" and code + 128 or code, M.read(out), M.read(err)
end

-- Runs in real time have half a second to themselves: more at once than a computer starts in that time would
-- judge the computer. Under a sanitizer each computes several times as long.
local MOST_AT_ONCE = M.program:find "sanitize" and 3 or 8

--- Run shell commands at the same time, for those that mostly wait, MOST_AT_ONCE of them: exit status,
--- standard output and standard error of each, in their order, once the last has ended.
---@param folder string where the output is kept meanwhile
---@param commands string[]
---@return { status: integer, out: string, err: string }[]
function M.together(folder, commands)
  local lines, count = {}, #commands
  for i = 1, count + MOST_AT_ONCE do
    local base, ended = quote(folder .. "/.together"), i - MOST_AT_ONCE
    if ended >= 1 and ended <= count then
      lines[#lines + 1] = ("wait $p%d; echo $? >%s%d.rc"):format(ended, base, ended)
    end
    if i <= count then
      lines[#lines + 1] = ("(%s) >%s%d.out 2>%s%d.err </dev/null & p%d=$!"):format(commands[i], base, i, base,
        i, i)
    end
  end
  -- without the shell's words on who was killed
  os.execute(own(folder) .. "exec 2>/dev/null\n" .. table.concat(lines, "\n"))
  local results = {}
  for i = 1, count do
    local base = ("%s/.together%d"):format(folder, i)
    results[i] = { status = tonumber(M.read(base .. ".rc")), out = M.read(base .. ".out"),
      err = M.read(base .. ".err") }
  end
  return results
end

--- Options, and of the usual ones those that are not among them: none may be given twice.
---@param more string? "--speed 1 ..."
---@param usual string "--speed max --seed 7", each with a value
---@return string
function M.options(more, usual)
  more = more or ""
  for option, value in usual:gmatch "(%-%-%S+) (%S+)" do
    if not (" " .. more .. " "):find(" " .. option .. " ", 1, true) then
      more = ("%s %s %s"):format(more, option, value)
    end
  end
  return more
end

--- The words of shell text that is nothing but words, with single quotes around some; nil where it is more,
--- which a shell must read.
---@param text string
---@return string[]?
local function words_of(text)
  local words, at = {}, 1
  while true do
    at = text:match("^[ \n]*()", at)
    if at > #text then
      return words
    end
    local word = ""
    repeat
      local part, after = text:match("^([%w%%%+,%-%./:=@_]+)()", at)
      if not part then
        part, after = text:match("^'([^']*)'()", at)
      end
      if not part then
        return nil
      end
      word, at = word .. part, after
    until text:find("^[ \n]", at) or at > #text
    words[#words + 1] = word
  end
end

--- Run moonpulse with arguments (shell text).
function M.moonpulse(folder, arguments, environment)
  local words = spawn and not environment and words_of(quote(M.program) .. " " .. arguments)
  if not words then
    return M.sh(folder, ("%s %s %s"):format(environment or "", quote(M.program), arguments))
  end
  local out, err = folder .. "/.out", folder .. "/.err"
  local variables = { "MOONPULSE_RUNS=" .. folder .. "/.records", "XDG_CACHE_HOME=" .. folder .. "/.cache" }
  return spawn.run(words, variables, out, err), M.read(out), M.read(err)
end

local END = "\1 end of a command " -- of which no command's words are part

--- Run several commands of moonpulse in one program, for what is not about the program's start and end (most
--- of a short command's time is its start): exit status, standard output and standard error of each.
---@param folder string
---@param commands string[] arguments: words, those with spaces in single quotes; no other shell text
---@param before string? shell text in front of the program
---@return { status: integer, out: string, err: string }[] as many as there are commands
function M.many(folder, commands, before)
  local lines = { ("return { %q"):format(END) }
  for i, command in ipairs(commands) do
    local words = {}
    for quoted, word in command:gsub("'([^']*)'", function(text)
      return "\0" .. text:gsub(" ", "\1")
    end):gmatch "(%z?)(%S+)" do
      assert(not word:find "%z", command)
      words[#words + 1] = ("%q"):format(quoted == "" and word or (word:gsub("\1", " ")))
    end
    lines[i + 1] = ("{ %s }"):format(table.concat(words, ", "))
  end
  M.write(folder .. "/.many", table.concat(lines, ",\n") .. " }")
  local status, out, err = M.sh(folder, ("%s %s lua %s %s"):format(before or "", quote(M.absolute),
    quote(lfs.currentdir() .. "/tests/helpers/many_commands.lua"), quote(folder .. "/.many")))
  assert(status == 0, err)
  local results = {}
  for said, its in out:gmatch("(.-)" .. END .. "(%d+)\n") do
    results[#results + 1] = { status = tonumber(its), out = said }
  end
  local i = 0
  for said in err:gmatch("(.-)" .. END .. "\n") do
    i = i + 1
    results[i].err = said
  end
  assert(#results == #commands and i == #commands, err)
  return results
end

local SIGNALS = { HUP = 1, INT = 2, QUIT = 3, KILL = 9, TERM = 15, CONT = 18, STOP = 19, TSTP = 20 }
local Job = {}
Job.__index = Job

local jobs = setmetatable({}, { __mode = "k" }) -- that were started, as long as a spec knows them

--- Start moonpulse in the background, with signals as a terminal's foreground job has them.
---@param folder string
---@param name string for its files in folder
---@param arguments string shell text
---@param environment string? "A=1 B=2", shell text
---@param before string? a shell command before it, like "ulimit -v 1000000"
function M.start(folder, name, arguments, environment, before)
  local base = folder .. "/" .. name
  for _, kind in ipairs { "pid", "rc", "out", "err" } do
    os.remove(base .. "." .. kind) -- of an earlier job of that name
  end
  local command = ("read -r pid _ </proc/self/stat; echo $pid >%s\n%s\n%s\nexec %s %s %s\n"):format(
    quote(base .. ".pid"), own(folder), before or "", environment and "env " .. environment or "",
    quote(M.program), arguments)
  os.execute(("{ (%s) >%s 2>%s </dev/null; echo $? >%s; } 2>/dev/null &"):format(command,
    quote(base .. ".out"), quote(base .. ".err"), quote(base .. ".rc")))
  local job = setmetatable({ base = base }, Job)
  jobs[job] = true
  return job
end

--- What the jobs that have ended said on standard error.
local function last_words()
  local words = {}
  for job in pairs(jobs) do
    words[#words + 1] = job:err()
  end
  return table.concat(words)
end

local function all_ended()
  for job in pairs(jobs) do
    if not job:ended() then
      return false
    end
  end
  return next(jobs) ~= nil
end

--- Wait until test() gives something; what it gave. For at most two minutes (a busy computer takes its
--- time), and for 15 s where no job is left that could bring it about.
function M.await(test, what)
  local now_ns = core.clock_ns()
  local give_up_ns, alone_ns = now_ns + 120000000000, now_ns + 15000000000
  while now_ns < give_up_ns and (now_ns < alone_ns or not all_ended()) do
    local value = test()
    if value then
      return value
    end
    core.wait(0.02)
    now_ns = core.clock_ns()
  end
  error(("never happened: %s\n%s"):format(what or "?", last_words()), 2)
end

function Job:out()
  return M.read(self.base .. ".out") or ""
end

function Job:err()
  return M.read(self.base .. ".err") or ""
end

function Job:pid()
  return M.await(function()
    return tonumber(M.read(self.base .. ".pid") or "")
  end, "a process id of " .. self.base)
end

--- The processes that it has begun and that are still there.
---@return string[] their numbers
function Job:children()
  local pid, found = self:pid(), {}
  local text = M.read(("/proc/%d/task/%d/children"):format(pid, pid)) or ""
  for each in text:gmatch("%d+") do
    found[#found + 1] = each
  end
  return found
end

--- Send it a signal: to it alone, not to its group.
function Job:signal(name)
  if not spawn then
    os.execute(("kill -%s %d 2>/dev/null"):format(name, self:pid()))
    return
  end
  spawn.kill(self:pid(), SIGNALS[name])
end

--- Its exit status, once it has ended.
function Job:wait()
  return M.await(function()
    return tonumber(M.read(self.base .. ".rc") or "")
  end, "the end of " .. self.base)
end

--- Wait until its standard output holds pattern; what the pattern captures.
function Job:says(pattern)
  return M.await(function()
    return self:out():match(pattern)
  end, pattern .. " from " .. self.base)
end

function Job:ended()
  return M.read(self.base .. ".rc") ~= nil
end

--- End it, whatever it does.
function Job:kill()
  if not self:ended() then
    self:signal("KILL")
    self:wait()
  end
end

--- The cells of a line of tab-separated text.
---@param line string
---@return string[]
function M.cells(line)
  local cells = {}
  for cell in (line .. "\t"):gmatch("([^\t]*)\t") do
    cells[#cells + 1] = cell
  end
  return cells
end

--- The rows of tab-separated text with a header, as tables by column name.
---@param text string
---@return table[] rows cells: how many there are
---@return string header
function M.rows_of(text)
  local header, names, list = nil, {}, {}
  for line in (text == "" and "" or text:gsub("\n$", "") .. "\n"):gmatch("([^\n]*)\n") do
    local cells = M.cells(line)
    if not header then
      header, names = line, cells
    else
      local row = { cells = #cells }
      for i, name in ipairs(names) do
        row[name] = cells[i]
      end
      list[#list + 1] = row
    end
  end
  return list, header
end

--- The rows of a tab-separated file with a header, as tables by column name.
---@param path string
---@return table[] rows
---@return string header
function M.rows(path)
  return M.rows_of(assert(M.read(path), path))
end

--- The names in a folder, sorted; without those that begin with a dot.
function M.names(folder)
  local list = {}
  if lfs.attributes(folder, "mode") == "directory" then
    for name in lfs.dir(folder) do
      if name:sub(1, 1) ~= "." then
        list[#list + 1] = name
      end
    end
  end
  table.sort(list)
  return list
end

return M
