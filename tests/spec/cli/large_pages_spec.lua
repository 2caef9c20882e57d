-- Whose heap may come in large pages: a run in virtual time's, and never one's that has to be on time.
local fixture = require "job"
local shell = require "shell"

local kernel_has_them = io.open "/sys/kernel/mm/transparent_hugepage/enabled" ~= nil
local own_heap = shell.program:find("sanitize", 1, true) ~= nil -- a sanitizer's heap is elsewhere

--- May the kernel put large pages into a process's heap?
local function heap_is_large(pid)
  local heap, large = false, false
  for line in io.lines(("/proc/%s/smaps"):format(pid)) do
    if line:find "^%x+%-%x+ " then
      heap = line:find("[heap]", 1, true) ~= nil
    end
    large = large or heap and line:find "^VmFlags:.* hg" ~= nil
  end
  return large
end

describe("large pages", function()
  local folder, jobs
  fixture.each_test(function(...) folder, jobs = ... end)

  --- A job that says what it is asked for, as a user's: without the pages that specs have.
  local function begun(name, arguments, says)
    local job = jobs:start(name, arguments, "GLIBC_TUNABLES=")
    job:says(says)
    return job
  end

  it("are for a run in virtual time, and not for one on a port", function()
    if not kernel_has_them or own_heap then
      pending "no heap here that could have them"
    end
    local run = "run itbs600 --amt 50 --tolerance 5000 --out %s/%s%s"
    local virtual = begun("virtual", run:format(folder, "virtual", " --speed 2"), "600 pulses")
    assert.is_true(heap_is_large(virtual:pid()))
    local real = begun("real", run:format(folder, "real", ""), "0/600 pulses")
    assert.is_false(heap_is_large(real:pid()))
    for _, child in ipairs(real:children()) do -- its simulator among them
      assert.is_false(heap_is_large(child))
    end
  end)
end)
