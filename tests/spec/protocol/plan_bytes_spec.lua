-- Where nothing is drawn the plan file of a protocol is the same bytes, whatever the seed and whoever wrote
-- it: moonpulse compile, or a run. Older records have the run's seed there, and are what they were.
local catalogue = require "moonpulse.protocol.catalogue"
local compiled = require "moonpulse.safety.compiled"
local fixture = require "job"
local protocols = require "moonpulse.protocol"
local shell = require "shell"

local plans = {
  fixed = "mp.pulse(mp.rmt(80)):times(3, { every = 5 }):label 'a'",
  blocks = "(mp.train { pulses = 4, hz = 10, intensity = mp.rmt(70) }):times(2, { every = 20 }):block()",
  marked = "mp.mark 'begin' .. mp.rest(2) .. mp.pulse(mp.mso(p.mso))",
}
local drawn = {
  rests = "(mp.pulse(mp.rmt(80)) .. mp.rest { min = 5, max = 6 }):times(5)",
  order = "mp.trials { of = mp.shuffle { mp.pulse(mp.rmt(80)), mp.pulse(mp.rmt(90)), mp.pulse(mp.rmt(99)) }, "
    .. "every = 5 }",
}

describe("the plan file of a protocol", function()
  local folder
  fixture.each_test(function(path) folder = path end)

  local function write(name, plan)
    shell.write(("%s/%s.lua"):format(folder, name), ([[local mp = require "moonpulse"
      return mp.protocol { id = "made", name = "Made", params = { mso = { default = 30 } },
        plan = function(p) return %s end }]]):format(plan))
  end

  local function done(arguments, ...)
    local status, out, err = shell.moonpulse(folder, arguments:format(...))
    assert.are.equal(0, status, arguments .. ": " .. err)
    return out
  end

  it("is the same bytes of each run and each compile", function()
    for name, plan in pairs(plans) do
      write(name, plan)
      local file = ("%s/%s"):format(folder, name)
      done("compile %s.lua -o %s.plan", file, file)
      done("compile %s.lua --seed 9 -o %s-9.plan", file, file)
      local bytes = shell.read(file .. ".plan")
      assert.are.equal(bytes, shell.read(file .. "-9.plan"))
      for i, source in ipairs { ".lua", ".lua --seed 77", ".plan" } do
        local out = ("%s-%d"):format(file, i)
        done("run %s%s --rmt 48 --speed max --out %s", file, source, out)
        local run = fixture.run_in(out)
        assert.are.equal(bytes, shell.read(run .. "/resolved.plan"), name .. source)
        assert.are.equal(bytes:match("sha256 (%x+)\n$"), fixture.manifest(run).protocol.plan_sha256)
        done("verify %s", run)
        assert.is_nil(done("rerun %s --out %s/again", run, out):find("plan: ", 1, true))
      end
      assert.matches(bytes:match("sha256 (%x+)\n$"), done("methods %s.lua --rmt 48", file), 1, true)
    end
  end)

  it("has the seed where something is drawn from it", function()
    for name, plan in pairs(drawn) do
      write(name, plan)
      local file = ("%s/%s"):format(folder, name)
      done("compile %s.lua --seed 9 -o %s.plan", file, file)
      done("run %s.lua --seed 9 --rmt 48 --speed max --out %s", file, file)
      assert.matches("\nseed 9\n", shell.read(file .. ".plan"), 1, true)
      assert.are.equal(shell.read(file .. ".plan"), shell.read(fixture.run_in(file) .. "/resolved.plan"))
    end
  end)

  it("of an older record is still what its text makes", function()
    local protocol = assert(catalogue.find "itbs600")
    local values = assert(protocols.values(protocol, {}, {}))
    local plan = assert(protocols.build(protocol, values, 4))
    local kept = { protocol = protocol, plan = plan, values = values, seed = 4 }
    local now = compiled.text(protocol, plan, values, 4)
    local older = compiled.text(protocol, plan, values, 4, true) -- with the seed, as it was
    assert.are_not.equal(now, older)
    assert.are.equal(older, compiled.like(older, kept))
    assert.are.equal(now, compiled.like(now, kept))
    assert.are.equal(now, compiled.like((older:gsub("pulses 600", "pulses 601")), kept))
  end)
end)
