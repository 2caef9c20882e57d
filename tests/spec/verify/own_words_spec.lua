-- verify never calls the record of an experiment changed that is as the run left it, whatever its script said
-- and however it ended; and what a script is told of its mistakes is in our words, the same in each run.
local fixture = require "job"
local shell = require "shell"
local verify = require "moonpulse.verify"

local script = [[
local mp = require "moonpulse"
return mp.experiment(function(run)
local stim, pulse = run:device(), mp.pulse { intensity = mp.mso(40) }
%s
end)
]]

-- the script, and its exit status; whatever it is, the record is not called changed
local ends = {
  { "stim:arm() error 'one line\\nand another'", 2 },
  { "stim:arm() error 'a\\ttab'", 2 },
  { "stim:arm() error '\\255\\254 \\27[2J \\226\\130'", 2 },
  { "require 'no.such.module'", 2 },
  { "stim:arm() run:stop '\\255\\254'", 5 },
  { "os.exit '\\255\\254'", 5 },
  { "stim:arm() run:ask 'MEP? [y/n]'", 2 },
  { "run:ask 'one?' run:ask 'two?'", 2 },
  { "string.format('%d', 1.5)", 2 },
  { "string.format()", 2 },
  { "('x'):rep({})", 2 },
  { "tostring()", 2 },
  { "mp.together { a = 1, b = {}, c = 'x', d = true, e = print, f = stim, g = 1.5, h = mp.rest(1) }", 2 },
  -- what a script that is looked at is not given, and who asks for it goes on
  { "local ok = pcall(function() package.preload.x = 1 end) stim:arm() if ok then stim:fire(pulse) end", 0 },
  { "stim:arm() if package.config then stim:fire(pulse) end", 0 },
  { "stim:arm() if pcall(string.dump, function() end) then stim:fire(pulse) end", 0 },
  { "stim:arm() if pcall(string.format, '%p', {}) then stim:fire(pulse) end", 0 },
  -- an arming that is ended by another part
  { "run:spawn(function() stim:disarm() end) pcall(stim.arm, stim) stim:arm() stim:fire(pulse)", 0 },
}

-- calls that are wrong
local mistakes = { "mp.train { [1.5] = 2 }", "mp.mso(print)", "mp.train { [{}] = 1 }",
  "mp.pulse { [print] = 1 }",
  "local _ = mp[print]", "local _ = run[{}]", "stim[print] = 1", "local _ = pulse[print]",
  "local _ = pulse * {}",
  "run:uniform({}, 1)", "run:staircase { start = {}, step = 1 }", "run:threshold { method = {}, start = 1 }",
  "run:wait_trigger { byte = print }",
  "stim:fire(pulse, { at = {} })", "run:trigger_count { since = io.stdout }", "io.lines '/no/such/file'",
  "io.input '/no/such/file'", "io.open({})", "io.popen({})", "io.popen('true', 'x')", "os.rename({}, {})",
  "debug.setmetatable({}, 1)", "debug.getlocal(1, {})", "debug.upvalueid(1, 1)", "xpcall(print)",
  "tostring()" }

describe("an experiment's record", function()
  local folder

  before_each(function() folder = shell.folder() end)
  after_each(function() shell.remove(folder) end)

  local function run(body)
    shell.write(folder .. "/script.lua", script:format(body))
    shell.write(folder .. "/answers", "maybe\n")
    return shell.sh(folder, ("cd %s && %s run script.lua --seed 1 --speed max --answers answers --out runs")
      :format(folder, shell.quote(shell.absolute)))
  end

  for i, case in ipairs(ends) do
    it("is as it was left: " .. i, function()
      local status, _, err = run(case[1])
      assert.are.equal(case[2], status, err)
      assert.is_nil(err:find("moonpulse/[%l_/]+%.lua:%d"), err)
      assert.are.same({}, assert(verify.folder(fixture.run_in(folder .. "/runs"), {})).differs, case[1])
    end)
  end

  it("has mistakes in our words, at the author's line, without an address", function()
    local lines = {}
    for i, mistake in ipairs(mistakes) do
      lines[i] = ("print('told', select(2, pcall(function() %s end)))"):format(mistake)
    end
    local status, out, err = run(table.concat(lines, "\n"))
    assert.are.equal(0, status, err)
    local told = 0
    for line in out:gmatch("told\t([^\n]*)") do
      told = told + 1
      assert.matches(("^script%%.lua:%d: "):format(told + 3), line)
      assert.is_nil(line:find("0x%x+"), line)
      assert.is_nil(line:find("attempt to", 1, true), line)
    end
    assert.are.equal(#mistakes, told)
  end)
end)
