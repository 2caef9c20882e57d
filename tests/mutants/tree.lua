--- A copy of the sources and of what is built from them, in which one fault at a time is planted.
local command = require "mutants.command"
local core = require "moonpulse.core"
local faults = require "mutants.faults"
local shell = require "shell"

local M = {}

-- what a compiler only warns of, and what no compiler of C++ would take: nobody's slip comes so far
local strict = "-O2 -g -Werror=incompatible-pointer-types -Werror=int-conversion "
  .. "-Werror=implicit-function-declaration"

-- what waits for no clock may take so much longer where others work on the same machine
local BUSY = 5

local Tree = {}
Tree.__index = Tree

local quote = shell.quote

--- A fresh copy.
---@param root string the sources; built
---@param path string where
function M.copy(root, path)
  local build = path .. "/build"
  assert(os.execute(("rm -rf %s && mkdir -p %s"):format(quote(path), quote(build))))
  assert(os.execute(("cd %s && for f in * .luacheckrc .clang-format .ci; do "
    .. "[ $f = build ] || [ $f = runs ] || cp -a $f %s/; done"):format(quote(root), quote(path))))
  assert(os.execute(("cd %s/build && cp -a engine bindings lib tests moonpulse libmoonpulse.a pack* library* "
    .. "%s/"):format(quote(root), quote(build))))
  return setmetatable({ root = root, path = path, log = path .. ".log", made = {} }, Tree)
end

--- Bring a file back as it is in the sources, its date too: make then knows that nothing is to be done.
function Tree:restore(name)
  assert(os.execute(("cp -a %s/%s %s/%s"):format(quote(self.root), quote(name), quote(self.path),
    quote(name))))
end

local function code_of(text)
  local chunk, why = load(text, "=mutant")
  return chunk and string.dump(chunk, true), why
end

--- Is what the compiler made of the source the same?
local function same_object(self, object)
  local own, theirs = self.path .. ".own", self.path .. ".theirs"
  local stripped = ("objcopy --strip-debug %s/%s %s 2>/dev/null")
  return os.execute(("%s && %s && cmp -s %s %s"):format(stripped:format(quote(self.path), object, quote(own)),
    stripped:format(quote(self.root), object, quote(theirs)), quote(own), quote(theirs))) or false
end

local function make(self, targets)
  return command.run(("make -s -C %s CFLAGS=%s %s >%s 2>&1"):format(quote(self.path), quote(strict),
    table.concat(targets, " "), quote(self.log)), 240) == 0
end

--- Plant a fault.
---@param mutant mutants.Mutant
---@return "planted"|"same"|"unbuilt" same: what runs is not changed by it
function Tree:plant(mutant)
  local before = shell.read(self.root .. "/" .. mutant.path)
  local text = faults.planted(before, mutant)
  self.made, self.is_c = { mutant.path }, not mutant.path:find("%.lua$")
  if not self.is_c then
    local code = code_of(text)
    if not code then
      return "unbuilt"
    elseif code == code_of(before) then
      return "same"
    end
    shell.write(self.path .. "/" .. mutant.path, text)
    return "planted"
  end
  local object = "build/" .. mutant.path:gsub("c$", "o")
  shell.write(self.path .. "/" .. mutant.path, text)
  table.move({ object, "build/libmoonpulse.a" }, 1, 2, 2, self.made)
  if not make(self, { object }) then
    return "unbuilt"
  end
  return same_object(self, object) and "same" or "planted"
end

--- Build what the first of these tests needs with the fault in it, and what the next ones need, to start make
--- less often.
---@param tests mutants.Test[]
---@param i integer the first
---@return boolean
function Tree:ready(tests, i)
  local has, targets = {}, {}
  for _, name in ipairs(self.made) do
    has[name] = true
  end
  local first = self.is_c and (tests[i].program or "build/moonpulse")
  if not first or has[first] then
    return true
  end
  for j = i, #tests do
    local target = tests[j].program or "build/moonpulse"
    if not has[target] and #targets < 4 then
      has[target], targets[#targets + 1] = true, target
    end
  end
  table.move(targets, 1, #targets, #self.made + 1, self.made)
  return make(self, targets)
end

--- Take it out again.
function Tree:clear()
  for _, name in ipairs(self.made) do
    self:restore(name)
  end
  self.made = {}
end

--- What the last test used of the processor, with all that it started.
local function used_s(self)
  local minutes, seconds, own, its_own = (shell.read(self.path .. "/build/times") or "")
    :match("\n(%d+)m([%d.]+)s (%d+)m([%d.]+)s")
  return minutes and 60 * (minutes + own) + seconds + its_own
end

--- Run a test in it.
---@param test mutants.Test
---@param seconds number no longer than this
---@return "passed"|"failed"|"hung"
---@return number seconds that count: of the processor if the test waits for no clock, else of the clock
function Tree:test(test, seconds)
  os.execute(("rm -rf %s/build/tmp %s/build/times"):format(quote(self.path), quote(self.path)))
  local most_s = math.ceil(test.steady and BUSY * seconds or seconds)
  local line = "sh %s/tests/mutants/inside.sh %s %d env MOONPULSE=build/moonpulse BUSTED_OUTPUT=TAP %s "
    .. ">%s 2>&1"
  local began_ns = core.clock_ns()
  local status = command.run(line:format(quote(self.root), quote(self.path), most_s, test.line,
    quote(self.log)), most_s + 20)
  local took_s = (core.clock_ns() - began_ns) / 1e9
  local counts_s = test.steady and used_s(self) or took_s
  if status == 125 then
    error { judge = "this machine forbids namespaces (unshare): a mutant could do harm" }
  end
  local said = "\n" .. (shell.read(self.log) or "")
  local failed = said:find("\nnot ok ") or said:find("\ntests/%S+%.c:%d+: ")
  if counts_s > seconds or took_s >= most_s - 0.1 then
    return failed and "failed" or "hung", seconds
  end
  return status == 0 and not failed and "passed" or "failed", counts_s
end

--- What the first failure of the last test says, in a line.
function Tree:said()
  local text = (shell.read(self.log) or ""):gsub("\27%[[%d;]*m", "")
  local line = text:match("not ok %d+ %- ([^\n]*)") or text:match("([^\n]*%f[%w]FAILED%f[%W][^\n]*)")
    or text:match("([^\n]*:%d+: [^\n]*)") or text:match("([^\n]*)\n*$") or ""
  return (line:gsub("[\t%c]", " "):sub(1, 160))
end

--- Did the last test run any test of a spec at all? A pattern that fits none passes.
function Tree:ran()
  return ("\n" .. (shell.read(self.log) or "")):find("\nok ") ~= nil
end

return M
