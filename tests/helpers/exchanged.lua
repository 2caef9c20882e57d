--- Puts something else in the place of a file of a folder, and has commands read that folder: many cases in
--- one process, for each command would start a program.
--
-- moonpulse lua tests/helpers/exchanged.lua FOLDER: the cases of FOLDER/cases.json; what came of them is in
-- FOLDER/results, a line for each that came to its end.
local cjson = require "cjson"
local lfs = require "lfs"

---@class ExchangedCase
---@field from string a folder
---@field to string what its copy is called; nothing of it is left of the case before
---@field file string which is exchanged, in the copy
---@field by "pipe"|"terabytes"|"zero" what takes its place
---@field gone string[] paths where nothing is to lie, before the copy is made
---@field lines string[][] commands, one after another

local M = {}

local put = {}

function put.pipe(path, folder)
  assert(os.remove(path))
  assert(lfs.link(folder .. "/pipe", path)) -- the same pipe: no program is needed to make another
end

function put.terabytes(path)
  local file <close> = assert(io.open(path, "r+b"))
  assert(file:seek("set", (4 << 40) - 1) and file:write("\0"))
end

function put.zero(path)
  assert(os.remove(path))
  assert(lfs.link("/dev/zero", path, true))
end

local function identity(path)
  local found = assert(lfs.symlinkattributes(path))
  return { mode = found.mode, ino = found.ino, size = found.size }
end

local function tried(case, folder)
  local called, shell = require "called", require "shell"
  for _, path in ipairs(case.gone) do
    shell.remove(path)
  end
  shell.remove(case.to)
  lfs.mkdir((case.to:match("^(.*)/")))
  shell.copy(case.from, case.to)
  local path, said = case.to .. "/" .. case.file, {}
  put[case.by](path, folder)
  local before = identity(path)
  for i, line in ipairs(case.lines) do
    local status, err, out = called.call(line)
    said[i] = { status = status, said = out .. err }
  end
  return { before = before, after = lfs.symlinkattributes(path, "mode") and identity(path), said = said }
end

--- Try cases in a process of their own.
---@param folder string
---@param cases ExchangedCase[]
---@param judge fun(case: ExchangedCase, result: { before: table, after: table?,
---  said: { status: integer|string, said: string }[] }) for each, in their order; said: by command
function M.each(folder, cases, judge)
  local shell = require "shell"
  assert(#cases > 0)
  os.remove(folder .. "/results")
  if not lfs.attributes(folder .. "/pipe", "mode") then
    assert(os.execute("mkfifo " .. shell.quote(folder .. "/pipe")))
  end
  shell.write(folder .. "/cases.json", cjson.encode(cases))
  -- A pipe that is opened is waited for without end: this is how long a busy computer is given.
  local status, out, err = shell.sh(folder, ("timeout -s KILL 600 %s lua tests/helpers/exchanged.lua %s")
    :format(shell.quote(shell.program), shell.quote(folder)))
  local done = 0
  for line in (shell.read(folder .. "/results") or ""):gmatch("[^\n]+") do
    done = done + 1
    judge(cases[done], cjson.decode(line))
  end
  local at = cases[math.min(done + 1, #cases)]
  assert(status == 0 and done == #cases, ("no end (status %d) of %s, %s in the place of %s: %s"):format(
    status, cjson.encode(at.lines), at.by, at.file, (out .. err):sub(1, 600)))
end

local folder = arg and arg[0] and arg[0]:find("exchanged.lua", 1, true) and arg[1]
if not folder then
  return M
end
package.path = "tests/?.lua;tests/helpers/?.lua;" .. package.path
local results = assert(io.open(folder .. "/results", "wb"))
local file <close> = assert(io.open(folder .. "/cases.json", "rb"))
for _, case in ipairs(cjson.decode(file:read("a"))) do
  results:write(cjson.encode(tried(case, folder)), "\n")
  results:flush()
end
