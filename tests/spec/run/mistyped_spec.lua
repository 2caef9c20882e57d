-- At a terminal a mistyped answer of the preflight is asked again, twice at most; a no declines at once. What
-- was typed stands in the journal, what counted in the manifest, and a repetition has the latter. Without a
-- terminal nobody is asked twice.
local cjson = require "cjson"
local fixture = require "job"
local shell = require "shell"
local verify = require "moonpulse.verify"

local folder, jobs
fixture.each_test(function(...)
  folder, jobs = ...
  shell.write(folder .. "/list", "slept\tDid the participant sleep?\nway\tEMG or eye?\temg|visual\n"
    .. "same\tDid the participant sleep well?\n")
  shell.write(folder .. "/two.lua", [[local mp = require "moonpulse"
    return mp.protocol { id = "two", name = "Two", plan = function()
      return mp.pulse(mp.mso(40)):times(2, { every = 0.2 }) end }]])
end)

local made = 0

--- Run where somebody types: exit status, the run's folder, what was shown.
local function typed(text, more)
  made = made + 1
  local terminal, out = jobs:port(), ("%s/runs%d"):format(folder, made)
  os.execute(("stty icanon -echo <%s"):format(terminal:path()))
  local job = jobs:start("job" .. made, ("run %s/two.lua --speed max --preflight %s/list --out %s %s <%s")
    :format(folder, folder, out, more or "--operator AB", terminal:path()))
  terminal:write(text)
  return job:wait(), fixture.run_in(out), job:out() .. job:err()
end

--- What the manifest has, and what the journal has: the answers in their order.
local function answers_of(run)
  local kept, told = {}, {}
  for i, each in ipairs(fixture.manifest(run).preflight) do
    kept[i] = each.answer
  end
  for line in io.lines(run .. "/journal.jsonl") do
    local entry = cjson.decode(line)
    if entry.kind == "answer" then
      told[#told + 1] = ("%s%s"):format(entry.answer, entry.try and (" %d"):format(entry.try) or "")
    end
  end
  return kept, told
end

describe("an answer that was mistyped at a terminal", function()
  it("is asked for again, and the run goes on; the trail has what was typed", function()
    local status, run, said = typed "yy\n\nYes\nemf\nemg\ny\n"
    assert.are.equal(0, status, said)
    assert.are.equal(2, select(2, said:gsub("that is no answer: y, n\n", "")))
    assert.are.equal(1, select(2, said:gsub("that is no answer: emg, visual\n", "")))
    local kept, told = answers_of(run)
    assert.are.same({ "y", "emg", "y" }, kept)
    assert.are.same({ "yy", " 2", "Yes 3", "emf", "emg 2", "y" }, told)
    assert.are.same({}, assert(verify.folder(run, {})).differs)
    local again, out, err = shell.moonpulse(folder, ("rerun %s --out %s/again"):format(run, folder))
    assert.are.equal(0, again, out .. err)
    assert.matches("the run's 3 answers are given again", out, 1, true)
    assert.are.same({ "y", "emg", "y" }, (answers_of(fixture.run_in(folder .. "/again"))))
    -- and the manifest cannot say what was only mistyped
    local manifest = fixture.manifest(run)
    manifest.preflight[2].answer = "emf"
    shell.write(run .. "/manifest.json", cjson.encode(manifest))
    fixture.seal(run)
    local differs = assert(verify.folder(run, {})).differs
    assert.matches("preflight[2].answer", differs[1].text, 1, true)
  end)

  it("ends the preflight where it comes a third time; a no does at once", function()
    for _, each in ipairs { { "x\nx\nx\ny\n", { "x" }, { "x", "x 2", "x 3" }, "was not confirmed: slept" },
      { "no\ny\n", { "no" }, { "no" }, "was not confirmed: slept" },
      { "y\nn\nn\nno\n", { "y", "no" }, { "y", "n", "n 2", "no 3" }, "was not answered: way takes emg" },
      { "x\n\4", { "no answer" }, { "x", "no answer 2" }, "was not answered (slept)" } } do
      local status, run, said = typed(each[1])
      assert.are.equal(3, status, said)
      assert.matches(each[4], said, 1, true)
      assert.are.same({ each[2], each[3] }, { answers_of(run) })
      assert.are.same({}, assert(verify.folder(run, {})).differs)
      assert.are.equal("declined", fixture.manifest(run).result.status)
    end
  end)

  it("is asked for again where it is the operator's code", function()
    local status, run, said = typed("\n  \nAB\ny\nvisual\ny\n", "")
    assert.are.equal(0, status, said)
    assert.are.equal("AB", fixture.manifest(run).operator)
    assert.are.same({}, assert(verify.folder(run, {})).differs)
    assert.are.equal(3, (typed("\n\n\nAB\n", "")))
  end)

  it("is not asked for again without a terminal", function()
    local status, out = shell.sh(folder, ("printf 'yy\\ny\\nemg\\ny\\n' | %s run %s/two.lua --speed max "
      .. "--operator AB --preflight %s/list --out %s/piped"):format(shell.quote(shell.program), folder,
      folder, folder))
    assert.are.equal(3, status, out)
    assert.are.same({ { "yy" }, { "yy" } }, { answers_of(fixture.run_in(folder .. "/piped")) })
  end)
end)

describe("a run that ended for lack of its operator's code", function()
  it("is declined again, which is the same", function()
    for i, each in ipairs { "", "\\n", "  \\ny\\n" } do -- as printf writes them
      local out = ("%s/unnamed%d"):format(folder, i)
      local status, _, err = shell.sh(folder, ("printf '%s' | %s run %s/two.lua --speed max --preflight "
        .. "%s/list --out %s"):format(each, shell.quote(shell.program), folder, folder, out))
      assert.are.equal(3, status, err)
      local run = fixture.run_in(out)
      local again, said
      again, said, err = shell.moonpulse(folder, ("rerun %s --out %s/again%d"):format(run, folder, i))
      assert.are.equal(0, again, said .. err)
      assert.matches("gave no code, and nobody is asked for one", said, 1, true)
      assert.matches("\nSAME +" .. folder .. "/again", said)
      local was = fixture.manifest(run)
      local is = fixture.manifest(fixture.run_in(("%s/again%d"):format(folder, i)))
      assert.are.same({ was.result.status, was.result.reason }, { is.result.status, is.result.reason })
      assert.is_nil(is.operator)
    end
  end)
end)
