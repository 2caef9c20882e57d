--- Commands as the program has them, in this process: for tests that give it hundreds of command lines, each
--- of which would start a program. A process that does so is watched from outside, for what never ends.
local cli = require "moonpulse.cli"
local core = require "moonpulse.core"
local shell = require "shell"

local M = {}

local function text_of(file)
  file:flush()
  file:seek("set", 0)
  local text = file:read("a")
  file:close()
  return text
end

--- A command that plays the course of an experiment has it said by a program of its own, on a standard error
--- that is nobody's here: it goes into a file.
local function with_errors_of_children(path, call)
  local process = core.process
  core.process = function(options)
    options.args = { "/bin/sh", "-c", 'errors=$1; shift; exec "$@" 2>>"$errors"', "sh", path,
      table.unpack(options.args) }
    return process(options)
  end
  local results = table.pack(pcall(call))
  core.process = process
  return table.unpack(results, 1, results.n)
end

--- What the command says and how it ends, as if it were a process.
---@param line string[]
---@return integer|string status or what was thrown
---@return string err
---@return string out
function M.call(line)
  local kept = { exit = os.exit, out = io.stdout, err = io.stderr, write = io.write, print = print }
  local out, err, exited = assert(io.tmpfile()), assert(io.tmpfile()), nil
  io.stdout, io.stderr = out, err -- luacheck: ignore
  io.write = function(...) return out:write(...) end -- luacheck: ignore
  print = function(...) -- luacheck: ignore
    for _, each in ipairs { ... } do
      out:write(tostring(each), "\n")
    end
  end
  os.exit = function(status) -- luacheck: ignore
    exited = status == true and 0 or status
    error({ message = "EXITED" }, 0)
  end
  local errors = os.tmpname()
  local ok, result = with_errors_of_children(errors, function() return cli.main(line) end)
  err:write(assert(shell.read(errors)))
  os.remove(errors)
  os.exit, io.stdout, io.stderr, io.write, print = kept.exit, kept.out, kept.err, kept.write, kept.print -- luacheck: ignore
  local said = text_of(err):gsub("moonpulse: EXITED\n$", "")
  return exited or ok and result or "raw: " .. tostring(result), said, text_of(out)
end

return M
